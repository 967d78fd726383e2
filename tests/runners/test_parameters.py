"""Parameter groups: first entry wins, options kept, wrong entries named."""

from typing import Any

import pytest
import torch
from torch import nn

from vq.models.quantizers import EMAQuantizer
from vq.runners.parameters import groups


def model() -> nn.ModuleDict:
    """Return a model with parts whose names begin alike, and a frozen one."""
    parts = nn.ModuleDict(
        dict(
            encoder=nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)),
            encoder_head=nn.Linear(2, 1),
            decoder=nn.Linear(2, 2),
            teacher=nn.Linear(2, 2).requires_grad_(False),
        )
    )
    return parts


def named(entries: list[Any]) -> tuple[list[tuple[list[str], dict[str, Any]]], Any]:
    """Return the groups with names in place of parameters."""
    parts = model()
    keys = {id(p): key for key, p in parts.named_parameters()}
    result, names = groups(parts, entries, optimizer='generator')
    inside = [([keys[id(p)] for p in g.pop('params')], g) for g in result]
    assert names == [key for group, _ in inside for key in group]
    return inside, names


ENCODER = ['encoder.0.weight', 'encoder.0.bias', 'encoder.1.weight', 'encoder.1.bias']
HEAD = ['encoder_head.weight', 'encoder_head.bias']
DECODER = ['decoder.weight', 'decoder.bias']


@pytest.mark.parametrize(
    ('entries', 'expected'),
    [
        (['encoder'], [(ENCODER, {})]),
        (['encoder_head', 'decoder'], [(HEAD, {}), (DECODER, {})]),
        (['decoder.weight'], [(DECODER[:1], {})]),
        ([dict(names=['decoder', 'encoder'], lr=1)], [(ENCODER + DECODER, {'lr': 1})]),
        (
            [dict(regex=r'bias$|\.1\.', weight_decay=0.0), dict(regex='')],
            [
                (
                    [*ENCODER[1:], HEAD[1], DECODER[1]],
                    {'weight_decay': 0.0},
                ),
                ([ENCODER[0], HEAD[0], DECODER[0]], {}),
            ],
        ),
        (
            [dict(names=['encoder.0'], lr=0.5), 'encoder'],
            [(ENCODER[:2], {'lr': 0.5}), (ENCODER[2:], {})],
        ),
        (['encoder', dict(regex='^encoder.0', lr=3)], [(ENCODER, {})]),
    ],
)
def test_each_parameter_goes_to_the_first_entry_that_fits(
    entries: list[Any], expected: list[Any]
) -> None:
    assert named(entries)[0] == expected


def test_groups_are_what_torch_takes() -> None:
    parts = model()
    result, names = groups(parts, ['decoder'], optimizer='generator')
    before = parts['decoder'].weight.detach().clone()
    optimizer = torch.optim.SGD(result, lr=0.5)
    parts['decoder'].weight.sum().backward()
    optimizer.step()
    assert torch.equal(parts['decoder'].weight, before - 0.5)
    assert names == DECODER


@pytest.mark.parametrize('entry', ['decodr', dict(names=['encoder', 'decodr'], lr=1)])
def test_an_entry_that_fits_nothing_is_told_with_the_nearest(entry: Any) -> None:
    with pytest.raises(ValueError, match="generator.*'decodr' .*did you mean decoder"):
        groups(model(), [entry], optimizer='generator')


@pytest.mark.parametrize('entry', ['teacher', dict(regex='xyz')])
def test_frozen_and_unknown_parameters_fit_nothing(entry: Any) -> None:
    with pytest.raises(ValueError, match='fits no trainable parameter'):
        groups(model(), [entry], optimizer='generator')


@pytest.mark.parametrize('entry', [dict(lr=1), dict(names=['decoder'], regex='x')])
def test_an_entry_has_either_names_or_a_regex(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='either names or regex'):
        groups(model(), [entry], optimizer='generator')


def test_what_its_own_passes_move_is_no_optimizers() -> None:
    codes = EMAQuantizer(codebook_size=4, dim=2)
    for parts in (nn.ModuleDict(dict(a=nn.Linear(2, 2), quantizer=codes)), codes):
        if parts is codes:
            with pytest.raises(ValueError, match="'codebook' fits no trainable"):
                groups(parts, ['codebook'], optimizer='generator')
        else:
            _, names = groups(parts, [dict(regex='.')], optimizer='generator')
            assert names == ['a.weight', 'a.bias']
