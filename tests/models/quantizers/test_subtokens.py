"""Sub-tokens: joined behind one another, and taken apart as they were."""

import pytest
import torch

from vq.models.quantizers.subtokens import join_tokens, mean_losses, split_tokens
from vq.registry import MODELS

SINGLE = dict(type='VectorQuantizer', codebook_size=8, dim=2)
DOUBLE = dict(type='ProductQuantizer', quantizer=SINGLE, groups=2)


def quantizers(*configs):
    return [MODELS.build(config) for config in configs]


def test_what_is_joined_comes_apart_again():
    parts = [torch.randint(8, (2, 3, 5)), torch.randint(8, (2, 3, 5, 2))]
    joined = join_tokens([*parts, parts[0]])
    columns = [parts[0], *parts[1].unbind(-1), parts[0]]
    assert torch.equal(joined, torch.stack(columns, -1))
    again = split_tokens(joined, quantizers(SINGLE, DOUBLE, SINGLE))
    for one, other in zip(again, [*parts, parts[0]], strict=True):
        assert torch.equal(one, other)


def test_the_only_part_stays_as_it_is():
    for config, shape in [(SINGLE, (2, 3, 5)), (DOUBLE, (2, 3, 5, 2))]:
        tokens = torch.randint(8, shape)
        assert torch.equal(join_tokens([tokens]), tokens)
        (again,) = split_tokens(tokens, quantizers(config))
        assert torch.equal(again, tokens)


@pytest.mark.parametrize('number', [1, 3, 5])
def test_the_last_parts_may_be_missing_where_that_is_allowed(number):
    tokens = torch.randint(8, (2, 3, 5, number))
    parts = split_tokens(tokens, quantizers(SINGLE, DOUBLE, DOUBLE), partly=True)
    assert len(parts) == (number + 1) // 2
    assert torch.equal(join_tokens(parts).view(tokens.shape), tokens)


@pytest.mark.parametrize('number', [2, 4, 6])
def test_parts_are_whole(number):
    tokens = torch.zeros(2, 3, 5, number, dtype=torch.int64)
    with pytest.raises(ValueError, match=f'{number} sub-tokens .* takes 1 or 3 or 5'):
        split_tokens(tokens, quantizers(SINGLE, DOUBLE, DOUBLE), partly=True)
    with pytest.raises(ValueError, match=rf'{number} sub-tokens .* takes 5$'):
        split_tokens(tokens, quantizers(SINGLE, DOUBLE, DOUBLE))


def test_losses_are_averaged_by_name():
    losses = [
        dict(a=torch.tensor(1.0), b=torch.tensor(5.0)),
        dict(a=torch.tensor(2.0), b=torch.tensor(7.0)),
    ]
    assert mean_losses(losses) == dict(a=torch.tensor(1.5), b=torch.tensor(6.0))
