"""LFQuantizer: formulas, the whole codebook, parity with the original (08a)."""

import math

import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden, tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.models import LFQuantizer
from vq.registry import MODELS


def codebook(dim):
    """List all codes in the order of tokens: the first channel moves fastest."""
    return torch.tensor(
        [[2.0 * (t >> i & 1) - 1 for i in range(dim)] for t in range(2**dim)]
    )


@pytest.mark.parametrize('dim', [1, 6])
def test_codes_and_losses_equal_their_formulas(dim):
    module = LFQuantizer(
        dim=dim,
        commitment_weight=0.5,
        entropy_weight=0.2,
        diversity=0.7,
        temperature=0.5,
    )
    latent = torch.randn(2, dim, 3, 5)
    result = module(latent)
    rows, codes = rearrange(latent, 'b d h w -> (b h w) d'), codebook(dim)
    distances = torch.cdist(rows, codes).square()
    tokens = distances.argmin(1)
    assert torch.equal(result.tokens.flatten(), tokens)
    assert torch.equal(rearrange(result.latent, 'b d h w -> (b h w) d'), codes[tokens])
    assert torch.equal(module.latent_to_tokens(latent), result.tokens)
    shares = (-distances / 0.5).softmax(-1)
    sample = torch.special.entr(shares).sum(-1).mean()
    even = -(shares.mean(0) * (shares.mean(0) + 1e-5).log()).sum()
    expected = {
        'commitment_loss': 0.5 * (rows - codes[tokens]).square().mean(),
        'entropy_loss': 0.2 * (sample - 0.7 * even),
    }
    torch.testing.assert_close(result.losses, expected)


def test_entropy_loss_is_for_training_and_weights_of_zero_leave_losses_out():
    latent = torch.randn(1, 4, 3, 3)
    module = LFQuantizer(dim=4)
    assert list(module(latent).losses) == ['commitment_loss', 'entropy_loss']
    assert list(module.eval()(latent).losses) == ['commitment_loss']
    assert (
        LFQuantizer(dim=4, commitment_weight=0, entropy_weight=0)(latent).losses == {}
    )


def test_a_channel_of_zero_has_a_code_and_one_that_is_no_number_too():
    values = torch.tensor([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45])
    result = LFQuantizer(dim=1, entropy_weight=0)(rearrange(values, 'w -> 1 1 1 w'))
    assert torch.equal(result.tokens.flatten(), torch.tensor([0, 0, 0, 1, 0, 1]))
    assert torch.equal(result.latent.flatten()[:2], torch.tensor([-1.0, -1.0]))
    assert result.latent[0, 0, 0, 2].isnan()  # it is not hidden


@pytest.mark.parametrize('token_bits', [None, (6, 12), (1, 9, 8)], ids=str)
def test_every_code_makes_the_round_trip(token_bits):
    module = LFQuantizer(dim=18, token_bits=token_bits)
    assert module.codebook_size == 2**18
    assert module.token_sizes == tuple(2**bits for bits in token_bits or (18,))
    bits = (rearrange(torch.arange(2**18), 'n -> n 1') >> torch.arange(18)) & 1
    codes = rearrange(2.0 * bits - 1, '(h w) d -> 1 d h w', h=2)
    tokens = module.latent_to_tokens(codes)
    assert tokens.shape == (1, 2, 2**17, *([len(token_bits)] if token_bits else []))
    assert torch.equal(module.tokens_to_latent(tokens), codes)
    if token_bits is None:
        assert torch.equal(tokens.flatten(), torch.arange(2**18))


def test_sub_tokens_are_slices_of_the_channels():
    latent = torch.randn(2, 8, 3, 3)
    parts = [
        LFQuantizer(dim=n).latent_to_tokens(latent[:, i : i + n])
        for i, n in [(0, 3), (3, 5)]
    ]
    module = LFQuantizer(dim=8, token_bits=(3, 5))
    assert torch.equal(module(latent).tokens, torch.stack(parts, -1))
    # One part alone is a token like any other.
    assert LFQuantizer(dim=8, token_bits=(8,))(latent).tokens.shape == (2, 3, 3)


def test_gradient_passes_straight_through_and_losses_move_latents():
    module = LFQuantizer(dim=4, temperature=1.0)
    latent, weight = (
        torch.randn(1, 4, 3, 3, requires_grad=True),
        torch.randn(1, 4, 3, 3),
    )
    result = module(latent)
    (through,) = torch.autograd.grad((result.latent * weight).sum(), latent)
    assert torch.equal(through, weight)
    pull = module.commitment_weight * 2 * (latent - result.latent) / latent.numel()
    (moved,) = torch.autograd.grad(result.losses['commitment_loss'], latent)
    torch.testing.assert_close(moved, pull)
    (moved,) = torch.autograd.grad(result.losses['entropy_loss'], latent)
    assert moved.all()


def test_half_precision_gives_the_same_tokens_and_losses():
    module = LFQuantizer(dim=18, token_bits=(6, 12))
    half = (0.02 * torch.randn(2, 18, 8, 8)).bfloat16()
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
    module = LFQuantizer(dim=4).double()
    result = module(torch.randn(1, 4, 3, 3, dtype=torch.float64))
    tensors = [result.latent, *result.losses.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


def test_nothing_is_stored():
    module = LFQuantizer(dim=18)
    assert not module.state_dict() and not list(module.parameters())


def test_other_channels_than_bits_are_refused():
    latent = torch.zeros(1, 1, 2, 2)
    for method in (LFQuantizer(dim=4), LFQuantizer(dim=4).latent_to_tokens):
        with pytest.raises(ValueError, match='have 4 channels, got the shape'):
            method(latent)


def test_tokens_without_a_code_are_refused():
    module = LFQuantizer(dim=5, token_bits=(2, 3))
    with pytest.raises(RuntimeError, match='>= 0 and < 4'):
        module.tokens_to_latent(torch.tensor([[[[4, 0]]]]))
    with pytest.raises(RuntimeError, match='>= 0 and < 8'):
        module.tokens_to_latent(torch.tensor([[[[3, -1]]]]))
    with pytest.raises(ValueError, match='2 sub-tokens'):
        module.tokens_to_latent(torch.zeros(1, 4, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(token_bits=(6, 11)), r'sum up to dim=18, got \(6, 11\) with the sum 17'),
        (dict(token_bits=(18, 0)), r'>= 1'),
        (dict(token_bits=()), r'got \(\)'),
        (dict(dim=0), 'dim=0'),
        (dict(dim=63), r'token_bits=\(18, 18\)'),
        (dict(temperature=0.0), 'got 0'),
        (dict(entropy_bits=0), 'got 0'),
        (dict(entropy_bits=25), 'got 25'),
    ],
)
def test_impossible_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LFQuantizer(**dict(dim=18) | arguments)


def test_it_can_be_compiled():
    module = LFQuantizer(dim=8, token_bits=(3, 5)).eval()
    compiled = torch.compile(module, backend='eager', fullgraph=True)
    latent = torch.randn(1, 8, 4, 4)
    assert torch.equal(compiled(latent).latent, module(latent).latent)
    tokens = module.latent_to_tokens(latent)
    assert torch.equal(compiled(latent).tokens, tokens)


def on_a_rank():
    torch.manual_seed(0)
    latent = torch.randn(4, 6, 3, 3)
    latent = latent.chunk(distributed.world_size())[distributed.rank()].requires_grad_()
    result = LFQuantizer(dim=6, temperature=1.0, entropy_bits=4)(latent)
    loss = sum(result.losses.values())
    loss.backward()
    return distributed.mean(loss.detach()), latent.grad / distributed.world_size()


def test_two_ranks_equal_one():
    ((loss, gradient),) = run_ranks(on_a_rank, 1)
    ranks = run_ranks(on_a_rank, 2)
    for found in ranks:
        torch.testing.assert_close(found[0], loss)
    torch.testing.assert_close(torch.cat([found[1] for found in ranks]), gradient)


def test_it_trains_in_a_vqgan():
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='LFQuantizer', dim=4, token_bits=(1, 3)
    )
    model = MODELS.build(config)
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert {'commitment_loss', 'entropy_loss'} <= set(logs)
    tokens = model.tokenizer.tokenize(tiny.batch().image)
    assert model.detokenize(tokens).isfinite().all()


def of_case(case, **changes):
    config = case.config
    of_config = dict(
        dim=config['dim'],
        entropy_bits=config['dim'],
        diversity=config['bmw'] / config['smw'],
    )
    return LFQuantizer(**of_config | changes)


@pytest.mark.parametrize('name', ['z', 'z_small'])
@cases('08a_')
def test_parity_in_training(path, name):
    case = golden.Case(path)
    expected = golden.under(case.outputs, f'train/{name}/')
    module = of_case(case)
    latent = case.inputs[name].requires_grad_()
    result = module(latent)
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(result.latent, expected['quantized'])
    commitment = result.losses['commitment_loss']
    golden.close_values(commitment / 0.25, expected['commitment'])
    entropy = case.config['smw'] * result.losses['entropy_loss']
    golden.close_values(entropy / 0.1, expected['entropy_aux_loss'])
    (entropy + commitment + result.latent.square().mean()).backward()
    golden.close_gradients(latent.grad, expected['grad_z'])


@pytest.mark.parametrize('name', ['z', 'z_small'])
@cases('08a_')
def test_parity_of_both_entropies(path, name):
    case = golden.Case(path)
    expected = golden.under(case.outputs, f'train/{name}/')
    sample, both = (
        of_case(case, entropy_weight=1.0, diversity=diversity)(case.inputs[name])
        for diversity in (0.0, 1.0)
    )
    sample, both = sample.losses['entropy_loss'], both.losses['entropy_loss']
    golden.close_values(sample, expected['per_sample_entropy'])
    golden.close_values(sample - both, expected['codebook_entropy'])


@cases('08a_')
def test_parity_in_evaluation_and_of_codes(path):
    case = golden.Case(path)
    config, latent = case.config, case.inputs['z']
    # The original has no loss at all in evaluation.
    module = of_case(case, commitment_weight=0).eval()
    result = module(latent)
    assert result.losses == {} and not case.outputs['eval/entropy_aux_loss']
    assert torch.equal(result.tokens.flatten(), case.outputs['eval/indices'])
    golden.close_values(result.latent, case.outputs['eval/quantized'])
    everything = rearrange(torch.arange(module.codebook_size), 'k -> 1 1 k')
    codes = rearrange(module.tokens_to_latent(everything), '1 d 1 k -> k d')
    golden.close_values(codes, case.outputs['codebook'])
    tokens = rearrange(case.inputs['codes'], 'b (h w) -> b h w', h=config['hw'])
    golden.close_values(module.tokens_to_latent(tokens), case.outputs['codebook_entry'])


@cases('08a_')
def test_parity_of_sub_tokens(path):
    case = golden.Case(path)
    expected = golden.under(case.outputs, 'factorized/')
    result = of_case(case, token_bits=case.config['bits'])(case.inputs['z'])
    names = ('indices_pre', 'indices_post')
    tokens = torch.stack([expected[name] for name in names], -1)
    assert torch.equal(result.tokens.flatten(0, 2), tokens)
    golden.close_values(result.latent, expected['quantized'])
