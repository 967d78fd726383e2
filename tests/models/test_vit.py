"""The transformer's blocks, its positions and what its weights begin with."""

import math

import pytest
import torch
from torch.nn import functional

from vq.models import vit


def trunk(**changes):
    sizes = dict(in_dim=3, patch=4, grid=4, width=16, depth=2, heads=2)
    return vit.VisionTransformer(**sizes | changes)


def randomized(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return module


def test_attention_equals_its_formula():
    layer = randomized(vit.Attention(dim=8, heads=2)).double()
    hidden = torch.randn(2, 5, 8, dtype=torch.float64)
    queries, keys, values = layer.qkv.weight.chunk(3)
    query = hidden @ queries.T + layer.query_bias
    key, value = hidden @ keys.T, hidden @ values.T + layer.value_bias
    heads = []
    for own in (slice(0, 4), slice(4, 8)):
        scores = query[..., own] @ key[..., own].transpose(1, 2) / math.sqrt(4)
        heads.append(scores.softmax(-1) @ value[..., own])
    expected = torch.cat(heads, -1) @ layer.out.weight.T + layer.out.bias
    torch.testing.assert_close(layer(hidden), expected)
    with pytest.raises(ValueError, match='3 heads do not divide a width of 8'):
        vit.Attention(dim=8, heads=3)


def test_a_block_normalises_before_and_adds():
    block = randomized(vit.Block(dim=8, heads=2, mlp_ratio=2.5))
    hidden = torch.randn(2, 5, 8)

    def normed(x, norm):
        scaled = (x - x.mean(-1, keepdim=True)) / (
            x.var(-1, correction=0, keepdim=True) + 1e-6
        ).sqrt()
        return scaled * norm.weight + norm.bias

    middle = hidden + block.attention(normed(hidden, block.norm1))
    inner = normed(middle, block.norm2) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias
    inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    expected = middle + inner @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    torch.testing.assert_close(block(hidden), expected, rtol=1e-4, atol=1e-4)
    assert block.mlp.fc1.weight.shape == (20, 8)


def test_without_blocks_it_normalises_patches_and_positions():
    model = randomized(trunk(depth=0))
    image = torch.randn(2, 3, 16, 16)
    patches = functional.unfold(image, 4, stride=4).transpose(1, 2)
    embedded = patches @ model.stem.weight.flatten(1).T + model.stem.bias
    expected = model.norm(embedded + model.positions[:, 1:])
    torch.testing.assert_close(
        model(image), expected.view(2, 4, 4, 16), rtol=1e-4, atol=1e-4
    )


def cubic(side, grid):
    """Return the weights of a row of old places for each new one, (side, grid).

    Cubic convolution with a slope of -0.75; at a border its place is repeated.
    """
    weights = torch.zeros(side, grid, dtype=torch.float64)
    for new in range(side):
        place = (new + 0.5) * grid / (side + 0.1) - 0.5
        for old in range(math.floor(place) - 1, math.floor(place) + 3):
            x = abs(place - old)
            near = 1.25 * x**3 - 2.25 * x**2 + 1
            far = -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
            weights[new, min(max(old, 0), grid - 1)] += near if x <= 1 else far
    return weights


@torch.no_grad()
@pytest.mark.parametrize(('rows', 'columns'), [(6, 6), (3, 5), (9, 4)])
def test_positions_of_other_grids_are_interpolated(rows, columns):
    model = randomized(trunk(grid=8, width=2, heads=1)).double()
    found = model.resized_positions(rows, columns)
    assert torch.equal(found[:, 0], model.positions[:, 0])
    own = model.positions[0, 1:].view(8, 8, 2)
    expected = torch.einsum('rh,cw,hwd->rcd', cubic(rows, 8), cubic(columns, 8), own)
    torch.testing.assert_close(found[0, 1:].view(rows, columns, 2), expected)
    assert model.resized_positions(8, 8) is model.positions


def test_other_sizes_are_taken_and_wrong_ones_named():
    model = trunk()
    assert model(torch.randn(1, 3, 24, 8)).shape == (1, 6, 2, 16)
    with pytest.raises(ValueError, match='patches of 4 do not divide 16x18'):
        model(torch.randn(1, 3, 16, 18))


def test_what_weights_begin_with():
    torch.manual_seed(0)
    model = trunk(width=64, depth=3)
    for name, parameter in model.named_parameters():
        if name.startswith('stem.'):
            continue
        expected = 0.02
        if name.endswith(('out.weight', 'fc2.weight')):
            expected /= math.sqrt(2 * (int(name.split('.')[1]) + 1))
        if 'norm' in name:
            assert torch.equal(parameter, torch.full_like(parameter, 'weight' in name))
        elif 'bias' in name:
            assert not parameter.any()
        else:
            samples = parameter.numel()
            tolerance = 5 / math.sqrt(2 * samples)
            assert parameter.std().item() == pytest.approx(expected, rel=tolerance), (
                name
            )
    bound = 1 / math.sqrt(3 * 16)  # torch's own: uniform, by the inputs of a patch
    assert model.stem.weight.std().item() == pytest.approx(
        bound / math.sqrt(3), rel=0.05
    )


def test_the_task_layer():
    head = vit.tanh_head(8, 3)
    hidden = torch.randn(2, 4, 8)
    expected = torch.tanh(hidden @ head[0].weight.T) @ head[2].weight.T
    torch.testing.assert_close(head(hidden), expected)
    assert head[0].weight.shape == (8, 8) and not head[2].bias.any()
