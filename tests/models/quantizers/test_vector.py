"""VectorQuantizer: formulas, gradients, autocast, parity with the original (02a)."""

import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden
from vq.models import VectorQuantizer


def quantizer(**changes):
    module = VectorQuantizer(**dict(codebook_size=16, dim=4) | changes)
    torch.nn.init.normal_(module.codebook)
    return module


def test_codes_losses_and_value_equal_their_formulas():
    module = quantizer(codebook_weight=2.0, commitment_weight=0.5)
    latent = torch.randn(2, 4, 3, 5)
    result = module(latent)
    distances = (latent[:, None] - module.codebook[None, :, :, None, None]).norm(dim=2)
    tokens = distances.argmin(1)
    codes = rearrange(module.codebook[tokens], 'b h w d -> b d h w')
    error = (codes - latent).square().mean()
    assert torch.equal(result.tokens, tokens)
    assert torch.equal(result.latent, codes)
    torch.testing.assert_close(result.losses['codebook_loss'], 2 * error)
    torch.testing.assert_close(result.losses['commitment_loss'], 0.5 * error)


def test_initial_codebook_is_uniform():
    codebook = VectorQuantizer(codebook_size=100, dim=50).codebook.detach()
    assert codebook.shape == (100, 50)
    assert codebook.abs().max() <= 0.01 and abs(codebook.std() - 0.02 / 12**0.5) < 1e-3


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('normalize', [False, True])
def test_which_loss_moves_what(legacy, normalize):
    module = quantizer(legacy_beta=legacy, normalize=normalize)
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    result = module(latent)
    moves = {
        'codebook_loss': (False, True),
        'commitment_loss': (True, False),
        'latent': (True, False),
    }
    terms = dict(result.losses, latent=result.latent.square().sum())
    for name, (moves_latent, moves_codebook) in moves.items():
        gradients = torch.autograd.grad(
            terms[name],
            (latent, module.codebook),
            retain_graph=True,
            allow_unused=True,
        )
        moved = tuple(g is not None and bool(g.any()) for g in gradients)
        assert moved == (moves_latent, moves_codebook), name


def test_gradient_passes_straight_through():
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    weight = torch.randn(1, 4, 3, 3)
    (quantizer()(latent).latent * weight).sum().backward()
    assert torch.equal(latent.grad, weight)


def test_legacy_beta_swaps_the_weights():
    latent = torch.randn(1, 4, 3, 3)
    module, legacy = quantizer(), quantizer(legacy_beta=True)
    legacy.load_state_dict(module.state_dict())
    ours, theirs = module(latent).losses, legacy(latent).losses
    torch.testing.assert_close(ours['codebook_loss'], 4 * ours['commitment_loss'])
    torch.testing.assert_close(theirs['commitment_loss'], 4 * theirs['codebook_loss'])
    torch.testing.assert_close(theirs['commitment_loss'], ours['codebook_loss'])


@pytest.mark.parametrize('legacy', [False, True])
def test_each_weight_scales_one_gradient(legacy):
    weights = dict(codebook_weight=3.0, commitment_weight=0.5)
    module = quantizer(legacy_beta=legacy, **weights)
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    result = module(latent)
    inputs = (latent, module.codebook)
    actual = torch.autograd.grad(sum(result.losses.values()), inputs)
    codes = rearrange(module.codebook[result.tokens], 'b h w d -> b d h w')
    pull = 2 * (latent - codes).detach() / latent.numel()
    of_codes = torch.zeros(16, 4).index_add(
        0, result.tokens.flatten(), rearrange(-pull, 'b d h w -> (b h w) d')
    )
    # What moves the encoder is the commitment, unless beta is the legacy one.
    for_latent, for_codes = (3.0, 0.5) if legacy else (0.5, 3.0)
    expected = (for_latent * pull, for_codes * of_codes)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize('changed', ['codebook_weight', 'commitment_weight'])
@pytest.mark.parametrize('legacy', [False, True])
def test_a_weight_leaves_the_other_gradient_alone(legacy, changed):
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    gradients = []
    for value in (1.0, 2.0):
        torch.manual_seed(0)
        module = quantizer(legacy_beta=legacy, **{changed: value})
        loss = sum(module(latent).losses.values())
        gradients.append(torch.autograd.grad(loss, (latent, module.codebook)))
    moves_latent = (changed == 'commitment_weight') != legacy
    factors = (2.0, 1.0) if moves_latent else (1.0, 2.0)
    for one, two, factor in zip(*gradients, factors, strict=True):
        torch.testing.assert_close(two, factor * one)


def test_cosine_ignores_length():
    module = quantizer(distance='cosine')
    latent = torch.randn(2, 4, 3, 3)
    tokens = module(latent).tokens
    assert torch.equal(module(latent * 7).tokens, tokens)
    rows = rearrange(latent, 'b d h w -> (b h w) d')
    similarity = torch.nn.functional.cosine_similarity(
        rows[:, None], module.codebook[None], dim=-1
    )
    assert torch.equal(rearrange(tokens, 'b h w -> (b h w)'), similarity.argmax(1))


def test_normalized_codes_lie_on_the_sphere():
    module = quantizer(normalize=True)
    result = module(torch.randn(2, 4, 3, 3))
    torch.testing.assert_close(result.latent.norm(dim=1), torch.ones(2, 3, 3))
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


@pytest.mark.parametrize('normalize', [False, True])
def test_round_trips(normalize):
    module = quantizer(normalize=normalize)
    tokens = torch.randint(0, 16, (2, 3, 5))
    latent = module.tokens_to_latent(tokens)
    assert latent.shape == (2, 4, 3, 5)
    assert torch.equal(module.latent_to_tokens(latent), tokens)
    assert torch.equal(module(latent).tokens, tokens)


def test_float32_under_autocast():
    module = quantizer(entropy_weight=0.1)
    latent = torch.randn(1, 4, 3, 3)
    plain = module(latent)
    with torch.autocast('cpu', torch.bfloat16):
        mixed = module(latent)
        half = module(latent.bfloat16())
    assert torch.equal(mixed.latent, plain.latent)
    assert mixed.losses == plain.losses
    assert half.latent.dtype == torch.float32
    assert {loss.dtype for loss in half.losses.values()} == {torch.float32}


def test_float64_stays_float64():
    module = quantizer(entropy_weight=0.1).double()
    result = module(torch.randn(1, 4, 3, 3, dtype=torch.float64))
    tensors = [result.latent, *result.losses.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float64}


@pytest.mark.parametrize(
    'options', [dict(), dict(normalize=True), dict(distance='cosine')], ids=str
)
def test_entropy_loss_is_that_of_the_distances_searched_by(options):
    module = quantizer(entropy_weight=0.1, entropy_temperature=0.5, **options)
    latent = torch.randn(2, 4, 3, 5)
    losses = module(latent).losses
    rows, codes = rearrange(latent, 'b d h w -> (b h w) d'), module.codebook
    if options:
        rows, codes = (torch.nn.functional.normalize(x, dim=-1) for x in (rows, codes))
    shares = (-torch.cdist(rows, codes).square() / 0.5).softmax(-1)
    entropies = [torch.special.entr(s).sum(-1).mean() for s in (shares, shares.mean(0))]
    expected = 0.1 * (entropies[0] - entropies[1])
    torch.testing.assert_close(losses['entropy_loss'], expected, rtol=0, atol=1e-4)
    assert list(losses) == ['codebook_loss', 'commitment_loss', 'entropy_loss']


def test_entropy_loss_is_for_training_and_moves_both():
    module = quantizer(entropy_weight=0.1)
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    loss = module(latent).losses['entropy_loss']
    moved = torch.autograd.grad(loss, (latent, module.codebook))
    assert all(gradient.any() for gradient in moved)
    assert 'entropy_loss' not in module.eval()(latent).losses
    assert 'entropy_loss' not in quantizer()(latent).losses


def test_temperature_of_the_entropy_is_positive():
    with pytest.raises(ValueError, match='got 0'):
        quantizer(entropy_temperature=0)


def test_unknown_distance():
    with pytest.raises(ValueError, match="'dot'"):
        VectorQuantizer(codebook_size=2, dim=2, distance='dot')


@pytest.mark.parametrize('sane', [0, 1])
@pytest.mark.parametrize('legacy', [0, 1])
@cases('02a_')
def test_parity_with_the_original(path, legacy, sane):
    case = golden.Case(path)
    module = of_case(case, legacy=bool(legacy))
    expected = golden.under(case.outputs, f'legacy{legacy}_sane{sane}/')
    latent = case.inputs['z'].requires_grad_()
    result = module(latent)
    loss = sum(result.losses.values())
    ramp = torch.arange(latent.numel()).view_as(latent) / latent.numel()
    (loss + (result.latent * ramp).sum()).backward()
    # The original's other shape is a row of all positions.
    tokens = result.tokens if sane else rearrange(result.tokens, 'b h w -> (b h w)')
    assert torch.equal(tokens, expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    golden.close_values(loss, expected['loss'])
    golden.close_gradients(latent.grad, expected['grad_z'])
    golden.close_gradients(module.codebook.grad, expected['grad_codebook'])
    codes = case.inputs['codes'].view_as(result.tokens)
    golden.close_values(module.tokens_to_latent(codes), case.outputs['codebook_entry'])


@cases('02a_')
def test_parity_with_the_first_version(path):
    """It has the legacy weights, too, and gives tokens as a column."""
    case = golden.Case(path)
    result = of_case(case, legacy=True)(case.inputs['z'])
    expected = golden.under(case.outputs, 'first_version/')
    column = rearrange(result.tokens, 'b h w -> (b h w) 1')
    assert torch.equal(column, expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    golden.close_values(sum(result.losses.values()), expected['loss'])
    shares = column.flatten().bincount(minlength=case.config['n']) / len(column)
    perplexity = torch.special.entr(shares).sum().exp()
    golden.close_values(perplexity, expected['perplexity'])


def of_case(case, *, legacy):
    config = case.config
    module = VectorQuantizer(
        codebook_size=config['n'],
        dim=config['dim'],
        commitment_weight=config['beta'],
        legacy_beta=legacy,
    )
    module.load_state_dict({'codebook': case.weights['embedding.weight']})
    return module
