"""ProductQuantizer: equals its groups, each by itself."""

import pytest
import torch

from tests.models import tiny
from vq.models import ProductQuantizer
from vq.registry import MODELS

VECTOR = dict(type='VectorQuantizer', codebook_size=16, dim=3, init='normal')


def quantizer(groups=2, **changes):
    return ProductQuantizer(quantizer=VECTOR | changes, groups=groups)


@pytest.mark.parametrize('groups', [1, 2, 3])
def test_it_equals_its_groups_each_by_itself(groups):
    module = quantizer(groups)
    latent = torch.randn(2, 3 * groups, 4, 5, requires_grad=True)
    result = module(latent)
    for number, part in enumerate(module.quantizers):
        channels = slice(3 * number, 3 * number + 3)
        alone = part(latent[:, channels])
        tokens = result.tokens if groups == 1 else result.tokens[..., number]
        assert torch.equal(tokens, alone.tokens)
        assert torch.equal(result.latent[:, channels], alone.latent)
    for name in ('codebook_loss', 'commitment_loss'):
        parts = [
            part(latent[:, 3 * n : 3 * n + 3]).losses[name]
            for n, part in enumerate(module.quantizers)
        ]
        torch.testing.assert_close(result.losses[name], sum(parts) / groups)
    assert torch.equal(module.latent_to_tokens(latent), result.tokens)
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)
    weight = torch.randn_like(latent)
    (gradient,) = torch.autograd.grad((result.latent * weight).sum(), latent)
    assert torch.equal(gradient, weight)


def test_sizes_are_those_of_all_groups_however_many():
    module = quantizer(20, codebook_size=2**16)
    assert module.codebook_size == 2**320
    assert module.token_sizes == (2**16,) * 20
    assert (module.in_dim, module.dim) == (60, 60)
    first, second, *_ = (part.codebook for part in module.quantizers)
    assert not torch.equal(first, second)
    assert 'each of the 20 groups: few dimensions' in module.advice


def test_each_group_learns_from_its_channels():
    module = quantizer(2)
    result = module(torch.randn(1, 6, 3, 3))
    result.losses['codebook_loss'].backward()
    assert all(part.codebook.grad.any() for part in module.quantizers)


def test_groups_of_other_channels_in_than_out():
    config = dict(type='GumbelQuantizer', codebook_size=8, dim=4, in_dim=6)
    module = ProductQuantizer(quantizer=config, groups=3).eval()
    assert (module.in_dim, module.dim, module.learns_from_latent) == (18, 12, True)
    result = module(torch.randn(2, 18, 3, 3))
    assert result.latent.shape == (2, 12, 3, 3) and result.tokens.shape == (2, 3, 3, 3)


def test_projection_is_that_of_each_group():
    projected = quantizer(2, normalize=True).project(torch.randn(2, 6, 3, 3))
    for part in projected.chunk(2, dim=1):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(2, 3, 3))


def test_groups_of_groups():
    config = dict(type='ProductQuantizer', quantizer=VECTOR, groups=2)
    module = ProductQuantizer(quantizer=config, groups=2)
    result = module(torch.randn(2, 12, 3, 3))
    assert result.tokens.shape == (2, 3, 3, 4) and module.codebook_size == 16**4
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match='groups must be >= 1, got 0'):
        quantizer(0)
    with pytest.raises(ValueError, match='3 sub-tokens .* takes 2'):
        quantizer(2).tokens_to_latent(torch.zeros(1, 2, 2, 3, dtype=torch.int64))


def test_it_trains_in_a_vqgan():
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='ProductQuantizer', quantizer=VECTOR | dict(dim=2), groups=2
    )
    model = MODELS.build(config)
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert logs['codebook_loss'].isfinite()
    assert all(p.grad.any() for p in model.tokenizer.quantizer.parameters())
