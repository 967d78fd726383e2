"""FSQuantizer: formulas, the whole codebook, parity with the originals (04, 09b)."""

import itertools
import math

import numpy as np
import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden
from vq.models import FSQuantizer


def codebook(levels):
    """List all codes in the order of tokens: the first channel moves fastest."""
    channels = [[(i - n // 2) / (n // 2) for i in range(n)] for n in reversed(levels)]
    return torch.tensor([code[::-1] for code in itertools.product(*channels)])


def bound(latent, levels, eps=1e-3, shift=math.atanh):
    """Bound a latent in float64 numpy, channel by channel, in units of the codes."""
    columns = []
    for channel, n in zip(latent.double().numpy().swapaxes(0, 1), levels, strict=True):
        half, offset = (n - 1) * (1 - eps) / 2, 0.5 if n % 2 == 0 else 0.0
        bounded = np.tanh(channel + shift(offset / half)) * half - offset
        columns.append(bounded / (n // 2))
    return torch.from_numpy(np.stack(columns, 1))


@pytest.mark.parametrize('levels', [(8, 5, 5), (3,), (4, 7, 6, 3)])
def test_codes_are_the_nearest_to_the_bounded_latent(levels):
    module = FSQuantizer(levels=levels)
    latent = 2 * torch.randn(2, len(levels), 4, 5)
    result = module(latent)
    bounded = bound(latent, levels)
    torch.testing.assert_close(module.project(latent), bounded.float())
    # Along each channel, in its own unit: channels are rounded one by one.
    halves = torch.tensor([n // 2 for n in levels])
    rows = rearrange(bounded, 'b d h w -> (b h w) d') * halves
    codes = codebook(levels)
    tokens = torch.cdist(rows, codes.double() * halves).argmin(1)
    assert torch.equal(result.tokens.flatten(), tokens)
    assert torch.equal(rearrange(result.latent, 'b d h w -> (b h w) d'), codes[tokens])
    assert torch.equal(module.latent_to_tokens(latent), result.tokens)
    assert result.losses == {} and result.tokens.dtype == torch.int64


@pytest.mark.parametrize('levels', [(8, 8, 8, 5, 5, 5), (2, 3, 2), (16,)], ids=str)
@pytest.mark.parametrize('shift', ['atanh', 'tan'])
def test_every_code_makes_the_round_trip(levels, shift):
    module = FSQuantizer(levels=levels, shift=shift)
    assert module.codebook_size == math.prod(levels)
    assert module.token_sizes == (module.codebook_size,)
    assert module.in_dim == module.dim == len(levels)
    tokens = rearrange(torch.arange(module.codebook_size), '(b n) -> b 1 n', b=2)
    codes = module.tokens_to_latent(tokens)
    assert torch.equal(rearrange(codes, 'b d 1 n -> (b n) d'), codebook(levels))
    # The latent that is bounded to a code, if not to its outermost edge.
    n = rearrange(torch.tensor(levels), 'd -> d 1 1').double()
    even, span = 1 - n % 2, (n - 1) * (1 - 1e-3)
    ratio = even / span
    offset = ratio.tan() if shift == 'tan' else ratio.atanh().nan_to_num(posinf=0)
    inside = (2 * codes * (n // 2) + even) / span
    latent = (inside.clamp(-0.99999, 0.99999).atanh() - offset).float()
    assert torch.equal(module.latent_to_tokens(latent), tokens)


def test_two_levels_are_parted_at_zero():
    module = FSQuantizer(levels=(2, 2))
    latent = torch.tensor([[1e-3, -1e-3], [5.0, -5.0]])
    result = module(rearrange(latent, 'n d -> n d 1 1'))
    assert torch.equal(result.tokens.flatten(), torch.tensor([1, 1]))
    assert torch.equal(result.latent[0].flatten(), torch.tensor([0.0, -1.0]))


def test_zero_is_level_zero():
    levels = (8, 5, 4, 3, 16)
    result = FSQuantizer(levels=levels)(torch.zeros(1, 5, 1, 1))
    assert not result.latent.any()
    torch.testing.assert_close(
        FSQuantizer(levels=levels).project(torch.zeros(1, 5, 1, 1)),
        torch.zeros(1, 5, 1, 1),
        rtol=0,
        atol=1e-6,
    )


def test_gradient_is_that_of_the_bounded_latent():
    module = FSQuantizer(levels=(8, 5, 3))
    latent, weight = (
        torch.randn(2, 3, 4, 4, requires_grad=True),
        torch.randn(2, 3, 4, 4),
    )
    expected = torch.autograd.grad((module.project(latent) * weight).sum(), latent)
    actual = torch.autograd.grad((module(latent).latent * weight).sum(), latent)
    assert torch.equal(actual[0], expected[0])


@pytest.mark.parametrize('training', [True, False])
def test_half_precision_gives_the_same_tokens(training):
    module = FSQuantizer(levels=(8, 8, 8, 5, 5, 5)).train(training)
    half = (3 * torch.randn(2, 6, 16, 16)).bfloat16()
    plain = module(half.float())
    with torch.autocast('cpu', torch.bfloat16):
        results = [module(half), module(half.float())]
        assert torch.equal(module.latent_to_tokens(half), plain.tokens)
    for result in [*results, module(half), module.bfloat16()(half)]:
        assert torch.equal(result.tokens, plain.tokens)
        assert torch.equal(result.latent, plain.latent)
    assert torch.equal(module.tokens_to_latent(plain.tokens), plain.latent)


def test_float64_stays_float64():
    module = FSQuantizer(levels=(8, 5)).double()
    result = module(torch.randn(1, 2, 3, 3, dtype=torch.float64))
    assert result.latent.dtype == torch.float64
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


def test_the_value_is_the_code_and_nothing_is_stored():
    module = FSQuantizer(levels=(8, 8, 5, 5, 5))
    result = module(torch.randn(2, 5, 8, 8))
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)
    assert not module.state_dict() and not list(module.parameters())


def test_latents_that_are_no_numbers_have_codes():
    module = FSQuantizer(levels=(8, 5))
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1e30])
    result = module(rearrange(odd, '(h w) -> 1 1 h w', h=2).expand(1, 2, 2, 2))
    expected = torch.tensor([[4 + 2 * 8, 7 + 4 * 8], [0, 7 + 4 * 8]])
    assert torch.equal(result.tokens[0], expected)
    assert result.latent[0, 0, 0, 0].isnan()  # it is not hidden either


def test_other_channels_than_levels_are_refused():
    with pytest.raises(
        ValueError, match=r'have 3 channels, got the shape \(1, 1, 2, 2\)'
    ):
        FSQuantizer(levels=(8, 5, 5))(torch.zeros(1, 1, 2, 2))


def test_tokens_without_a_code_are_refused():
    module = FSQuantizer(levels=(3, 3))
    for stray in (-1, 9):
        with pytest.raises(RuntimeError, match='>= 0 and < 9'):
            module.tokens_to_latent(torch.tensor([[[0, stray]]]))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(levels=()), r'got \(\)'),
        (dict(levels=(8, 1)), r'>= 2, for each channel, got \(8, 1\)'),
        (dict(levels=(1002,)), 'eps=0.001 is too far'),
        (dict(levels=(5,), eps=-0.25), 'below 0.25'),
        (dict(levels=(8,) * 21), 'too many codes'),
        (dict(levels=(8,), shift='sin'), "got 'sin'"),
    ],
)
def test_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FSQuantizer(**arguments)


def test_it_can_be_compiled():
    module = FSQuantizer(levels=(8, 5))
    compiled = torch.compile(module, backend='eager', fullgraph=True)
    latent = torch.randn(1, 2, 4, 4)
    assert torch.equal(compiled(latent).latent, module(latent).latent)


ORIGINALS = {'paper': dict(shift='tan'), 'lucidrains': dict(eps=-1e-3)}


@pytest.mark.parametrize('original', ORIGINALS)
@cases('04_')
def test_parity_with_the_paper_and_the_library(path, original):
    case = golden.Case(path)
    for levels in case.config['levels']:
        name = '_'.join(map(str, levels))
        module = FSQuantizer(levels=levels, **ORIGINALS[original])
        expected = golden.under(case.outputs, f'{name}/{original}/')
        check(module, case.inputs[f'{name}/z'], expected, last=original == 'paper')
        check_codes(module, case.inputs[f'{name}/indices'], expected)


def check(module, latent, expected, *, last):
    """Compare a forward and a backward pass; channels are `last` in some tensors."""
    latent = latent.clone().requires_grad_()
    result = module(latent)
    result.latent.square().sum().backward()
    halves = module.levels // 2

    def same(tensor):
        return rearrange(tensor, 'b h w d -> b d h w') if last else tensor

    assert torch.equal(result.tokens, expected['indices'])
    golden.close_values(result.latent, same(expected['quantized']))
    golden.close_gradients(latent.grad, same(expected['grad_z_of_sum_square']))
    bounded = rearrange(module.project(latent) * halves, 'b d h w -> b h w d')
    golden.close_values(bounded, expected['bounded'])


def check_codes(module, tokens, expected):
    """Compare codes: of some tokens, and of all where they are given."""
    codes = module.tokens_to_latent(rearrange(tokens, 'n -> 1 1 n'))
    if expected['indices_to_codes'].dim() == 2:
        codes = rearrange(codes, '1 d 1 n -> n d')
    golden.close_values(
        codes.view_as(expected['indices_to_codes']), expected['indices_to_codes']
    )
    if 'codebook_size' in expected:
        assert module.codebook_size == expected['codebook_size']
    if 'implicit_codebook' in expected:
        everything = rearrange(torch.arange(module.codebook_size), 'k -> 1 1 k')
        codes = rearrange(module.tokens_to_latent(everything), '1 d 1 k -> k d')
        golden.close_values(codes, expected['implicit_codebook'])


@cases('09b_')
def test_parity_with_the_reference(path):
    case = golden.Case(path)
    for levels in case.config['fsq']:
        name = 'fsq/' + '_'.join(map(str, levels))
        module = FSQuantizer(levels=levels)
        expected = golden.under(case.outputs, f'{name}/')
        rows = case.inputs[f'{name}/x'].requires_grad_()
        result = module(rearrange(rows, 'n d -> n d 1 1'))
        result.latent.square().sum().backward()
        assert torch.equal(result.tokens.flatten(), expected['quant'])
        golden.close_values(rearrange(result.latent, 'n d 1 1 -> n d'), expected['z'])
        golden.close_gradients(rows.grad, expected['grad_x_of_sum_square'])
        golden.close_values(codebook(levels), expected['embeddings'])
