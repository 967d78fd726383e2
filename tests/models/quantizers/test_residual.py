"""ResidualQuantizer: an explicit loop, losses of partial sums, dropout, gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.models import ResidualQuantizer
from vq.models.quantizers.gradients import rotate
from vq.registry import MODELS

VECTOR = dict(type='VectorQuantizer', codebook_size=16, dim=4, init='normal')


def quantizer(changes=(), **options):
    return ResidualQuantizer(quantizer=VECTOR | dict(changes), **options)


def codebooks(module):
    """Return each depth's codebook."""
    books = [part.codebook.detach() for part in module.quantizers]
    return books * (module.depth // len(books))


def loop(latent, books):
    """Quantize position by position and depth by depth: tokens and partial sums."""
    batch, dim, height, width = latent.shape
    tokens = torch.zeros(batch, height, width, len(books), dtype=torch.int64)
    sums = torch.zeros(len(books), *latent.shape)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                total = torch.zeros(dim)
                for depth, book in enumerate(books):
                    rest = latent[b, :, y, x] - total
                    token = (rest - book).square().sum(-1).argmin()
                    total = total + book[token]
                    tokens[b, y, x, depth] = token
                    sums[depth, b, :, y, x] = total
    return tokens, sums


@pytest.mark.parametrize('shared', [True, False])
@pytest.mark.parametrize('depth', [2, 4])
def test_it_equals_an_explicit_loop(shared, depth):
    module = quantizer(shared=shared, depth=depth)
    latent = torch.randn(2, 4, 3, 5)
    result = module(latent)
    tokens, sums = loop(latent, codebooks(module))
    assert torch.equal(result.tokens, tokens)
    torch.testing.assert_close(result.latent, sums[-1])
    # Equation 7: the commitment is to the partial sums.
    errors = [functional.mse_loss(part, latent) for part in sums]
    mean = sum(errors) / depth
    torch.testing.assert_close(result.losses['commitment_loss'], 0.25 * mean)
    torch.testing.assert_close(result.losses['codebook_loss'], mean)
    assert torch.equal(module.latent_to_tokens(latent), tokens)
    assert torch.equal(module.tokens_to_latent(tokens), result.latent)
    assert len(module.quantizers) == (1 if shared else depth)
    assert module.codebook_size == 16**depth


def test_commitment_moves_the_latent_to_all_partial_sums():
    module = quantizer(depth=3)
    latent = torch.randn(1, 4, 2, 2, requires_grad=True)
    loss = module(latent).losses['commitment_loss']
    (actual,) = torch.autograd.grad(loss, latent)
    _, sums = loop(latent.detach(), codebooks(module))
    pull = sum(latent.detach() - part for part in sums)
    torch.testing.assert_close(actual, 0.25 * 2 * pull / 3 / latent.numel())


@pytest.mark.parametrize('shared', [True, False])
def test_fewer_depths_give_the_partial_sums(shared):
    module = quantizer(shared=shared, depth=4)
    latent = torch.randn(2, 4, 3, 5)
    tokens, sums = loop(latent, codebooks(module))
    for number in range(1, 5):
        coarse = module.tokens_to_latent(tokens[..., :number])
        torch.testing.assert_close(coarse, sums[number - 1])
    assert torch.equal(
        module.tokens_to_latent(tokens[..., 0]),
        module.tokens_to_latent(tokens[..., :1]),
    )


def test_one_depth_is_the_quantizer_itself():
    module = quantizer(depth=1)
    (part,) = module.quantizers
    latent = torch.randn(2, 4, 3, 5)
    one, other = module(latent), part(latent)
    assert torch.equal(one.latent, other.latent)
    assert torch.equal(one.tokens, other.tokens) and one.tokens.shape == (2, 3, 5)
    assert one.losses == other.losses and module.token_sizes == (16,)


@pytest.mark.parametrize('inner', ['straight_through', 'rotation'])
def test_the_gradient_of_the_sum_passes_once(inner):
    module = quantizer(dict(estimator=inner), depth=4)
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    weight = torch.randn(1, 4, 3, 3)
    result = module(latent)
    (gradient,) = torch.autograd.grad((result.latent * weight).sum(), latent)
    assert torch.equal(gradient, weight)
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))


def test_the_rotation_is_that_of_the_sum():
    module = quantizer(depth=3, estimator='rotation')
    latent = torch.randn(1, 4, 1, 9, requires_grad=True)
    weight = torch.randn(9, 4)
    result = module(latent)
    rows, sums = latent[0, :, 0].T, result.latent[0, :, 0].T
    expected = torch.autograd.grad((rotate(rows, sums) * weight).sum(), latent)
    actual = torch.autograd.grad((sums * weight).sum(), latent)
    torch.testing.assert_close(actual, expected)
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))


def test_families_that_learn_from_the_latent_get_its_gradient():
    gumbel = dict(type='GumbelQuantizer', codebook_size=8, dim=4)
    with pytest.raises(ValueError, match="GumbelQuantizer learns .* estimator='own'"):
        ResidualQuantizer(quantizer=gumbel)
    module = ResidualQuantizer(quantizer=gumbel, shared=False, estimator='own')
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    result = module(latent)
    result.latent.square().sum().backward()
    assert all(parameter.grad.any() for parameter in module.parameters())
    assert latent.grad.any()
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))


def test_dropped_depths_are_left_out_of_the_latent_only():
    module = quantizer(depth=4, shared=False, dropout=0.75)
    latent = torch.randn(400, 4, 1, 2)
    result = module(latent)
    tokens, sums = loop(latent, codebooks(module))
    assert torch.equal(result.tokens, tokens)
    errors = torch.stack(
        [(result.latent - part).abs().amax((1, 2, 3)) for part in sums]
    )
    assert (errors.amin(0) < 1e-6).all()
    numbers = errors.argmin(0).bincount(minlength=4) / 400
    expected = torch.tensor([0.75 / 4] * 3 + [0.75 / 4 + 0.25])
    torch.testing.assert_close(numbers, expected, rtol=0, atol=0.08)
    plain = quantizer(depth=4, shared=False)
    plain.load_state_dict(module.state_dict())
    assert result.losses == plain(latent).losses
    sum(result.losses.values()).backward()
    assert all(part.codebook.grad.any() for part in module.quantizers)


def test_nothing_is_dropped_in_evaluation():
    module = quantizer(dropout=1.0).eval()
    latent = torch.randn(50, 4, 1, 2)
    result = module(latent)
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))


def test_depths_of_groups():
    product = dict(type='ProductQuantizer', quantizer=VECTOR, groups=2)
    module = ResidualQuantizer(quantizer=product, depth=3)
    latent = torch.randn(2, 8, 3, 3)
    result = module(latent)
    assert result.tokens.shape == (2, 3, 3, 6) and module.dim == 8
    assert torch.equal(module.latent_to_tokens(latent), result.tokens)
    with pytest.raises(ValueError, match='5 sub-tokens .* takes 2 or 4 or 6'):
        module.tokens_to_latent(result.tokens[..., :5])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(depth=0), 'depth must be >= 1, got 0'),
        (dict(dropout=1.5), r'dropout must be in \[0, 1\], got 1.5'),
        (dict(estimator='ste'), "'rotation', 'own', got 'ste'"),
    ],
)
def test_errors_say_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        quantizer(**options)


def test_codes_must_be_of_the_latents_kind():
    config = dict(type='GumbelQuantizer', codebook_size=8, dim=4, in_dim=6)
    with pytest.raises(ValueError, match='takes 6 channels and gives 4'):
        ResidualQuantizer(quantizer=config, estimator='own')


def test_half_precision_latents_leave_a_residual_in_float32():
    module = quantizer()
    latent = torch.randn(1, 4, 3, 3).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        result = module(latent)
    expected = module(latent.float())
    assert torch.equal(result.tokens, expected.tokens)
    assert torch.equal(result.latent, expected.latent)
    assert result.latent.dtype == torch.float32


@pytest.mark.parametrize('shared', [True, False])
def test_it_trains_in_a_vqgan(shared):
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='ResidualQuantizer', quantizer=VECTOR, shared=shared, dropout=0.5
    )
    model = MODELS.build(config)
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert logs['commitment_loss'].isfinite()
    assert all(p.grad.any() for p in model.tokenizer.quantizer.parameters())


def on_a_rank(shared):
    """Train for some passes on this rank's part; return the state, and all tokens."""
    torch.manual_seed(0)
    ema = dict(type='EMAQuantizer', codebook_size=8, dim=4)
    module = ResidualQuantizer(quantizer=ema, depth=3, shared=shared)
    tokens = torch.zeros(0)
    for latent in torch.randn(3, 4, 4, 3, 5):
        part = latent.chunk(distributed.world_size())[distributed.rank()]
        tokens = module(part).tokens
    return dict(module.state_dict()), distributed.cat(tokens)


@pytest.mark.parametrize('shared', [True, False])
def test_two_ranks_learn_as_one(shared):
    (state, tokens), *_ = run_ranks(on_a_rank, 1, shared)
    for other, others_tokens in run_ranks(on_a_rank, 2, shared):
        assert torch.equal(others_tokens, tokens)
        torch.testing.assert_close(other, state)


def test_the_shared_codebook_is_one_module():
    assert isinstance(quantizer(depth=4).quantizers, nn.ModuleList)
    assert len(list(quantizer(depth=4).parameters())) == 1
