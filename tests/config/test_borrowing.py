"""A borrowed part equals the same part written out, wherever it comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config.errors import raises
from vq.config import Config, load

Write = Callable[[str, str], Path]

LENDER = """
_base_ = ['part.py']
_image_size = '{{$image_size:224}}'
model = dict(type='A', part=dict(width=1, sizes=[1, 2], inner=dict(x=1, y=2)))
val_model = dict(part=dict(inner=dict(y=3)))
train_dataset = dict(type='Images', root='a', transforms=[dict(size=_image_size)])
val_dataset = dict(type='Images', root='b', transforms=[])
val_metrics = dict(fid=dict(type='FID'), lpips=None)
iters = 7
"""
BASE = """
model = dict(type='B', part=dict(old=1, inner=dict(z=1)), head=dict(old=1))
train_dataset = dict(type='Folder', path='c', transforms=[dict(size=256)])
iters = '{{$iters:3}}'
"""


@pytest.fixture
def files(write: Write) -> Write:
    """Write a config that lends, and a base that what is borrowed lies upon."""
    write('configs/part.py', 'model = dict(part=dict(depth=2))')
    write('configs/lender.py', LENDER)
    write('configs/base.py', BASE)
    return write


def borrower(write: Write, text: str) -> Path:
    """Write a config that borrows, in a folder of its own."""
    return write('configs/own/borrower.py', f"_base_ = '../base.py'\n{text}")


def written_out(write: Write, text: str) -> dict[str, Any]:
    """Return what the same config is when it says everything itself."""
    path = write('configs/own/written.py', f"_base_ = '../base.py'\n{text}")
    tree: dict[str, Any] = load(path).tree
    return tree


@pytest.mark.parametrize(
    ('borrowed', 'same'),
    [
        (
            "model = dict(part=dict(_from_='../lender.py', "
            "_at_='.validator.model.part'))",
            'model = dict(part=dict(_delete_=True, width=1, depth=2, sizes=[1, 2], '
            'inner=dict(x=1, y=3)))',
        ),
        (
            "model = dict(part=dict(_from_='configs/lender.py', "
            '_at_=\'.trainer.model["part"]\', width=5, sizes=[3], '
            'inner=dict(_delete_=True, w=4)))',
            'model = dict(part=dict(_delete_=True, width=5, depth=2, sizes=[3], '
            'inner=dict(w=4)))',
        ),
        (  # fragments, as they are without a data set
            "model = dict(head=dict(_from_='../part.py', _at_='.model.part'))",
            'model = dict(head=dict(_delete_=True, depth=2))',
        ),
        (  # what is no dict
            "iters = dict(_from_='../lender.py', _at_='.trainer.iters')",
            'iters = 7',
        ),
        (  # within a list, and of one
            "model = dict(parts=[dict(_from_='../lender.py', _at_='.model.part.inner', "
            "y=9), (dict(_from_='../lender.py', _at_='.model.part.sizes[-1]'), 3)])",
            'model = dict(parts=[dict(x=1, y=9), (2, 3)])',
        ),
        (  # a fragment, changed by another borrow
            "train_dataset = dict(_from_='../lender.py', _at_='.trainer.dataset', "
            "transforms=dict(_from_='../base.py', _at_='.train_dataset.transforms'))",
            "train_dataset = dict(_delete_=True, type='Images', root='a', "
            'transforms=[dict(size=256)])',
        ),
    ],
)
def test_borrowed_is_written_out(files: Write, borrowed: str, same: str) -> None:
    assert load(borrower(files, borrowed)).tree == written_out(files, same)


def test_a_dump_lends_what_its_config_lends(files: Write, root: Path) -> None:
    text = "model = dict(part=dict(_from_='{{$it_config}}', _at_='.validator.model'))"
    path = borrower(files, text)
    lender = 'configs/lender.py'
    first = load(path, options=dict(it_config=lender))
    load(lender).dump(root / 'work_dirs/x/lender.py')
    dumped = load(path, options=dict(it_config='work_dirs/x/lender.py'))
    absolute = load(path, options=dict(it_config=str(root / lender)))
    assert first == dumped == absolute
    assert first.trainer.model.part == load(lender).validator.model
    first.dump(root / 'again.py')
    assert load('again.py') == first
    assert '_from_' not in first.text


def test_a_borrower_lends_and_is_a_base(files: Write) -> None:
    whole = borrower(
        files, "model = dict(part=dict(_from_='../lender.py', _at_='.trainer.model'))"
    )
    text = "model = dict(head=dict(_from_='borrower.py', _at_='.trainer.model.part'))"
    second = files('configs/own/second.py', f"_base_ = 'borrower.py'\n{text}")
    expected = load(whole).tree
    expected.trainer.model.head = load('configs/lender.py').trainer.model
    assert load(second).tree == expected


def test_options_reach_those_that_lend(files: Write) -> None:
    at = '.trainer.dataset.transforms[0].size'
    path = borrower(
        files,
        f"model = dict(size=dict(_from_='{{{{$it:../lender.py}}}}', _at_='{at}'))",
    )

    def size(config: Config) -> object:
        return config.trainer.model.size, config.trainer.iters

    assert size(load(path, options=dict(image_size=64, iters=1))) == (64, 1)
    assert size(load(path)) == (224, 3)
    raises('imagesize|image_size', lambda: load(path, options=dict(imagesize=64)))


def test_sources_name_lender_and_borrower(files: Write) -> None:
    path = borrower(
        files,
        "model = dict(part=dict(_from_='../lender.py', _at_='.trainer.model.part', "
        'width=5))',
    )
    sources = load(path, overrides=['.trainer.model.part.depth:4']).sources
    part = ('trainer', 'model', 'part')
    own, lender = 'configs/own/borrower.py', 'configs/lender.py'
    assert {k: s for k, s in sources.items() if k[:3] == part} == {
        (*part, 'width'): own,
        (*part, 'depth'): '--override .trainer.model.part.depth:4',
        (*part, 'sizes'): f'{lender}, borrowed by {own}',
        (*part, 'inner', 'x'): f'{lender}, borrowed by {own}',
        (*part, 'inner', 'y'): f'{lender}, borrowed by {own}',
    }


def test_what_is_borrowed_over_a_dump_is_not_lost_in_silence(
    files: Write, root: Path
) -> None:
    load('configs/lender.py').dump(root / 'dump.py')
    text = "model = dict(part=dict(_from_='configs/part.py', _at_='.model.part'))"
    path = files('over.py', f"_base_ = 'dump.py'\n{text}")
    raises('over.py|model.part|would be lost|dump.py', lambda: load(path))


@pytest.mark.parametrize(
    ('borrow', 'words'),
    [
        ("_from_='../lendr.py', _at_='.model'", 'lendr.py|not exist|lender.py|part.py'),
        ("_from_='../lender.py', _at_='.trainer.modle'", 'modle|`model`|lender.py'),
        ("_from_='../lender.py', _at_='.tainer.model'", 'tainer|train_dataset'),
        ("_from_='../part.py', _at_='.trainer.model'", 'part.py|no trainer|data set'),
        ("_from_='../lender.py', _at_='model'", "'model'|.model|leading dot"),
        ("_from_='../lender.py'", '_at_|nothing|_from_'),
        ("_form_='../lender.py', _at_='.model'", '_from_|nothing|_form_'),
        ("_from_='../lender.py', _at_=['.model']", "_at_|['.model']"),
        ("_from_='../lender.py', _at_='.iters', a=1", '.iters|7|no changes|a'),
        ("_from_='../lender.py', _at_='.model', type=dict()", "model.part.type|'A'"),
    ],
)
def test_errors_name_file_place_and_way_out(
    files: Write, borrow: str, words: str
) -> None:
    path = borrower(files, f'model = dict(part=dict({borrow}))')
    raises(f'configs/own/borrower.py|model.part|{words}', lambda: load(path))


@pytest.mark.parametrize(
    ('a', 'b'),
    [
        ("_base_ = 'b.py'", "model = dict(_from_='a.py', _at_='.model')"),
        ("model = dict(_from_='b.py', _at_='.model')", "_base_ = 'a.py'"),
        (
            "model = dict(_from_='b.py', _at_='.model')",
            "model = dict(_from_='a.py', _at_='.model')",
        ),
    ],
)
def test_circles(write: Write, a: str, b: str) -> None:
    path = write('a.py', a)
    write('b.py', b)
    raises('a.py -> b.py -> a.py|resolved one', lambda: load(path))


def test_a_base_named_by_an_option(write: Write) -> None:
    for name in ('conv', 'vqkd', 'vqkd_large'):
        write(f'configs/decoders/{name}.py', f'model = dict(decoder={name!r})')
    path = write(
        'configs/decoder/x.py',
        "_base_ = ['../decoders/{{$decoder:conv}}.py']\ntrain_dataset = dict(type='I')",
    )
    types = [
        load(path, options=options).trainer.model.decoder
        for options in ({}, dict(decoder='vqkd_large'))
    ]
    assert types == ['conv', 'vqkd_large']
    raises(
        "configs/decoder/x.py|'../decoders/vqdk.py'|conv.py, vqkd.py, vqkd_large.py",
        lambda: load(path, options=dict(decoder='vqdk')),
    )
