"""BSQuantizer: formulas on the sphere, the whole codebook, latents of length zero."""

import math

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.models import tiny
from tests.models.quantizers.test_lfq import codebook
from tests.ranks import run_ranks
from vq import distributed
from vq.models import BSQuantizer
from vq.registry import MODELS


@pytest.mark.parametrize('temperature', [0.1, 1.0])
@pytest.mark.parametrize('dim', [1, 6])
def test_codes_and_losses_equal_their_formulas(dim, temperature):
    module = BSQuantizer(
        dim=dim,
        commitment_weight=0.5,
        entropy_weight=0.2,
        diversity=0.7,
        temperature=temperature,
    )
    latent = 3 * torch.randn(2, dim, 3, 5)
    result = module(latent)
    rows = functional.normalize(rearrange(latent, 'b d h w -> (b h w) d'), dim=-1)
    codes = codebook(dim) / math.sqrt(dim)
    distances = torch.cdist(rows, codes).square()
    tokens = distances.argmin(1)
    assert torch.equal(result.tokens.flatten(), tokens)
    quantized = rearrange(result.latent, 'b d h w -> (b h w) d')
    torch.testing.assert_close(quantized, codes[tokens])
    placed = rearrange(module.project(latent), 'b d h w -> (b h w) d')
    torch.testing.assert_close(placed, rows)
    shares = (-distances / temperature).softmax(-1)
    sample = torch.special.entr(shares).sum(-1).mean()
    even = torch.special.entr(shares.mean(0)).sum()
    expected = {
        'commitment_loss': 0.5 * (rows - codes[tokens]).square().mean(),
        'entropy_loss': 0.2 * (sample - 0.7 * even),
    }
    torch.testing.assert_close(result.losses, expected)


def test_length_of_a_latent_changes_nothing_and_codes_lie_on_the_sphere():
    module = BSQuantizer(dim=36, token_bits=(18, 18))
    latent = torch.randn(2, 36, 3, 3)
    result, longer = module(latent), module(1000 * latent)
    assert torch.equal(result.latent, longer.latent)
    assert torch.equal(result.tokens, longer.tokens)
    torch.testing.assert_close(result.losses, longer.losses)
    torch.testing.assert_close(result.latent.norm(dim=1), torch.ones(2, 3, 3))


def test_quantization_error_is_bounded():
    module = BSQuantizer(dim=18)
    latent = torch.randn(8, 18, 16, 16)
    latent[0] = 0
    latent[0, 0] = -1e6  # the farthest: along an axis
    error = (module.project(latent) - module(latent).latent).norm(dim=1)
    bound = math.sqrt(2 - 2 / math.sqrt(18))
    assert float(error.max()) == pytest.approx(bound)


def test_gradient_passes_straight_through_to_the_sphere():
    module = BSQuantizer(dim=5)
    latent, weight = (
        torch.randn(2, 5, 3, 3, requires_grad=True),
        torch.randn(2, 5, 3, 3),
    )
    unit = functional.normalize(latent, dim=1)
    expected = torch.autograd.grad((unit * weight).sum(), latent)
    actual = torch.autograd.grad((module(latent).latent * weight).sum(), latent)
    torch.testing.assert_close(actual, expected)


def test_latents_of_length_zero():
    module = BSQuantizer(dim=4, commitment_weight=1.0, temperature=0.01)
    latent = torch.randn(2, 4, 3, 3)
    latent[0], latent[1, :, 0, 0] = 0, 1e-30
    latent.requires_grad_()
    result = module(latent)
    assert torch.equal(result.latent[0], torch.full((4, 3, 3), -0.5))
    assert not result.tokens[0].any() and result.tokens[1, 0, 0] == 15
    (result.latent.sum() + sum(result.losses.values())).backward()
    assert latent.grad.isfinite().all()
    assert not latent.grad[0].any() and not latent.grad[1, :, 0, 0].any()
    assert latent.grad[1, :, 1:, 1:].any()
    with torch.no_grad():
        latent[0, 0, 0, 0] = math.nan
        assert module.project(latent)[0, :, 0, 0].isnan().all()  # it is not hidden


@pytest.mark.parametrize('token_bits', [None, (9, 9)], ids=str)
def test_every_code_makes_the_round_trip(token_bits):
    module = BSQuantizer(dim=18, token_bits=token_bits)
    bits = (rearrange(torch.arange(2**18), 'n -> n 1') >> torch.arange(18)) & 1
    codes = rearrange((2.0 * bits - 1) / 18**0.5, '(h w) d -> 1 d h w', h=2)
    tokens = module.latent_to_tokens(codes)
    torch.testing.assert_close(module.tokens_to_latent(tokens), codes)
    assert torch.equal(module.latent_to_tokens(module.tokens_to_latent(tokens)), tokens)
    if token_bits is None:
        assert torch.equal(tokens.flatten(), torch.arange(2**18))


def test_half_precision_gives_the_same_tokens_and_losses():
    module = BSQuantizer(dim=36, commitment_weight=0.1)
    half = torch.randn(2, 36, 8, 8).bfloat16()
    plain = module(half.float())
    with torch.autocast('cpu', torch.bfloat16):
        results = [module(half), module(half.float())]
        assert torch.equal(module.latent_to_tokens(half), plain.tokens)
    for result in [*results, module(half), module.bfloat16()(half)]:
        assert torch.equal(result.tokens, plain.tokens)
        assert torch.equal(result.latent, plain.latent)
        assert result.losses == plain.losses
    assert torch.equal(module.tokens_to_latent(plain.tokens), plain.latent)


def test_float64_stays_float64():
    module = BSQuantizer(dim=4).double()
    result = module(torch.randn(1, 4, 3, 3, dtype=torch.float64))
    tensors = [result.latent, *result.losses.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


def test_single_bits_are_groups_too():
    module = BSQuantizer(dim=18, entropy_bits=1, entropy_weight=1.0)
    latent = torch.randn(2, 18, 4, 4)
    chances = (4 / math.sqrt(18) * functional.normalize(latent, dim=1)).sigmoid()

    def entropy(chance):
        return torch.special.entr(chance) + torch.special.entr(1 - chance)

    each = entropy(chances).sum(1).mean()
    expected = each - entropy(chances.mean((0, 2, 3))).sum()
    torch.testing.assert_close(module(latent).losses['entropy_loss'], expected)


def on_a_rank():
    torch.manual_seed(0)
    latent = torch.randn(4, 6, 3, 3)
    latent = latent.chunk(distributed.world_size())[distributed.rank()].requires_grad_()
    result = BSQuantizer(dim=6, entropy_weight=1.0, temperature=0.1)(latent)
    loss = result.losses['entropy_loss']
    loss.backward()
    return distributed.mean(loss.detach()), latent.grad / distributed.world_size()


def test_two_ranks_equal_one():
    ((loss, gradient),) = run_ranks(on_a_rank, 1)
    ranks = run_ranks(on_a_rank, 2)
    for found in ranks:
        torch.testing.assert_close(found[0], loss)
    torch.testing.assert_close(torch.cat([found[1] for found in ranks]), gradient)


def test_arguments_are_checked_as_those_of_lfq():
    with pytest.raises(ValueError, match='sum up to dim=18'):
        BSQuantizer(dim=18, token_bits=(9, 10))


def test_it_trains_in_a_vqgan():
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(type='BSQuantizer', dim=4)
    model = MODELS.build(config)
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert 'entropy_loss' in logs and 'commitment_loss' not in logs
