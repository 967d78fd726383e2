"""The registry of families, and what a new one has to say."""

import pytest

from vq.conversion import FAMILIES, ConversionError, Family, find


def test_families_by_their_names():
    assert {name: find(name) for name in FAMILIES} == FAMILIES
    assert all(family.name == name for name, family in FAMILIES.items())
    with pytest.raises(ConversionError, match=r"no family 'tamming'.*taming"):
        find('tamming')


def test_a_family_that_is_only_read():
    class Read(Family):
        name = 'read'

        def to_ours(self, weights, **options):
            return weights

        def from_ours(self, weights):
            return weights

    family = Read()
    assert family.checked({}) == {} and family.model_config({}) is None
    with pytest.raises(ConversionError, match="read has no option 'x'; none"):
        family.checked({'x': 1})


@pytest.mark.parametrize('name', FAMILIES)
def test_what_can_be_written_has_a_file_name(name):
    family = FAMILIES[name]
    assert bool(family.file) == (type(family).write is not Family.write)
    assert family.checked({}) == dict(family.options)
