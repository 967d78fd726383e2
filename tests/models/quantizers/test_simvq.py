"""SimVQuantizer: the mapped codes everywhere, gradients to the map only, revival."""

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.models import tiny
from vq.models import SimVQuantizer
from vq.registry import MODELS


def quantizer(**changes):
    return SimVQuantizer(**dict(codebook_size=16, dim=4) | changes)


def mapped(module):
    """Compute the codes one by one."""
    weight, bias = module.projection.weight, module.projection.bias
    return torch.stack([weight @ row + bias for row in module.codebook])


def test_codes_losses_and_value_equal_their_formulas():
    module = quantizer(codebook_weight=2.0, commitment_weight=0.5)
    latent = torch.randn(2, 4, 3, 5)
    result = module(latent)
    codebook = mapped(module)
    torch.testing.assert_close(module.codes(), codebook)
    distances = (latent[:, None] - codebook[None, :, :, None, None]).norm(dim=2)
    tokens = distances.argmin(1)
    codes = rearrange(codebook[tokens], 'b h w d -> b d h w')
    error = functional.mse_loss(codes, latent)
    assert torch.equal(result.tokens, tokens)
    torch.testing.assert_close(result.latent, codes)
    torch.testing.assert_close(result.losses['codebook_loss'], 2 * error)
    torch.testing.assert_close(result.losses['commitment_loss'], 0.5 * error)


def test_only_the_map_learns_and_moves_all_codes():
    module = quantizer()
    assert set(dict(module.named_parameters())) == {
        'projection.weight',
        'projection.bias',
    }
    assert set(module.state_dict()) == {
        'codebook',
        'projection.weight',
        'projection.bias',
    }
    latent = torch.randn(1, 4, 2, 2, requires_grad=True)
    losses = module(latent).losses
    parameters = list(module.parameters())
    (moved,) = torch.autograd.grad(losses['commitment_loss'], latent)
    assert moved.any()
    before = module.codes().detach()
    for parameter, gradient in zip(
        parameters,
        torch.autograd.grad(losses['codebook_loss'], parameters),
        strict=True,
    ):
        assert gradient.any()
        parameter.data -= 0.1 * gradient
    assert (module.codes() != before).any(-1).all()


def test_decoded_tokens_are_mapped_codes():
    module = quantizer()
    tokens = torch.randint(0, 16, (2, 3, 5))
    latent = module.tokens_to_latent(tokens)
    expected = rearrange(mapped(module)[tokens], 'b h w d -> b d h w')
    torch.testing.assert_close(latent, expected)
    assert torch.equal(module.latent_to_tokens(latent), tokens)
    assert torch.equal(module(latent).latent, latent)


def test_the_frozen_codebook_is_gaussian_with_a_variance_of_one_over_d():
    module = quantizer(codebook_size=400, dim=64)
    assert abs(module.codebook.std() - 1 / 8) < 0.002
    assert not module.codebook.requires_grad


def test_replaced_codes_are_where_they_shall_be():
    module = quantizer()
    tokens, codes = torch.tensor([3, 7]), torch.randn(2, 4)
    others = module.codes().detach()
    module.replace_codes(tokens, codes)
    others[tokens] = codes
    torch.testing.assert_close(module.codes(), others, rtol=1e-4, atol=1e-5)


def test_a_direction_that_the_map_deletes_makes_no_huge_rows():
    module = quantizer()
    module.projection.weight.data[1] = 1e-5 * module.projection.weight.data[0]
    module.projection.bias.data.zero_()
    module.replace_codes(torch.tensor([0]), torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    row = module.codebook[0].double()
    solution = torch.linalg.lstsq(
        module.projection.weight.double(),
        torch.tensor([[0.0, 1.0, 0.0, 0.0]]).double().T,
        rcond=1e-3,
        driver='gelsd',
    ).solution
    torch.testing.assert_close(row, solution[:, 0], rtol=1e-4, atol=1e-6)
    assert row.norm() < 1


def test_codes_may_be_replaced_before_the_backward_pass():
    module = quantizer()
    loss = sum(module(torch.randn(1, 4, 2, 2)).losses.values())
    module.replace_codes(torch.tensor([0]), torch.randn(1, 4))
    loss.backward()
    assert module.projection.weight.grad.any()


def test_it_learns_only_where_its_map_does():
    module = quantizer()
    assert module.learning
    assert not module.eval().learning
    assert not module.train().requires_grad_(False).learning


def test_float32_under_autocast():
    module = quantizer()
    latent = torch.randn(1, 4, 3, 3)
    plain = module(latent)
    with torch.autocast('cpu', torch.bfloat16):
        mixed = module(latent)
        decoded = module.tokens_to_latent(plain.tokens)
    assert torch.equal(mixed.latent, plain.latent)
    assert torch.equal(decoded, plain.latent)


@pytest.mark.parametrize('estimator', ['straight_through', 'rotation'])
def test_it_trains_in_a_vqgan(estimator):
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='SimVQuantizer', codebook_size=32, dim=4, estimator=estimator
    )
    torch.manual_seed(0)
    model = MODELS.build(config)
    module = model.tokenizer.quantizer
    frozen, codes = module.codebook.clone(), module.codes().detach()
    model.train_step(tiny.batch(), tiny.adam(model))
    assert torch.equal(module.codebook, frozen)
    assert (module.codes() != codes).any(-1).all()
