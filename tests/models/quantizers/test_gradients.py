"""The rotation trick equals a product with an explicit matrix, held constant."""

import pytest
import torch

from vq.models import VectorQuantizer
from vq.models.quantizers.base import to_rows
from vq.models.quantizers.gradients import rotate, straight_through


def rotation(source, target):
    """Return the rotation of unit vector `source` onto `target`, in their plane."""
    # With an orthonormal basis of the plane, source first, it is an ordinary turn.
    other = target - (target @ source) * source
    other = other / other.norm()
    cosine, sine = target @ source, target @ other
    basis = torch.stack([source, other])
    turn = torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])
    identity = torch.eye(len(source), dtype=source.dtype)
    return identity - basis.T @ basis + basis.T @ turn @ basis


def test_rotation_trick_equals_an_explicit_rotation():
    rows = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    codes = torch.randn(20, 6, dtype=torch.float64)
    weight = torch.randn(20, 6, dtype=torch.float64)
    with torch.no_grad():
        lengths = codes.norm(dim=1) / rows.norm(dim=1)
        units = zip(rows, codes, strict=True)
        matrices = torch.stack([rotation(z / z.norm(), q / q.norm()) for z, q in units])
    expected = lengths[:, None] * torch.einsum('nij,nj->ni', matrices, rows)
    torch.testing.assert_close(expected, codes)  # the matrices do what they should
    actual = rotate(rows, codes)
    assert torch.equal(actual, codes)
    gradients = [
        torch.autograd.grad((value * weight).sum(), rows)[0]
        for value in (actual, expected)
    ]
    torch.testing.assert_close(*gradients)


def test_angle_between_gradient_and_code_becomes_that_to_the_latent():
    rows = torch.randn(50, 8, dtype=torch.float64, requires_grad=True)
    codes, weight = torch.randn(2, 50, 8, dtype=torch.float64)
    (rotate(rows, codes) * weight).sum().backward()
    angle = torch.cosine_similarity(weight, codes)
    torch.testing.assert_close(torch.cosine_similarity(rows.grad, rows), angle)


def test_near_its_code_a_latent_gets_the_straight_through_gradient():
    rows = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 4, dtype=torch.float64)
    codes = rows.detach() * (1 + 1e-9)
    (rotate(rows, codes) * weight).sum().backward()
    torch.testing.assert_close(rows.grad, weight, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ('row', 'code'),
    [
        ([1.0, 2.0], [-1.0, -2.0]),
        ([0.0, 0.0], [1.0, 2.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1e-30, 0.0], [-1e-30, 0.0]),
    ],
)
def test_without_a_rotation_the_gradient_passes_straight_through(row, code, dtype):
    rows = torch.tensor([row], dtype=dtype, requires_grad=True)
    codes, weight = torch.tensor([[code], [[3.0, -4.0]]], dtype=dtype)
    result = rotate(rows, codes)
    (result * weight).sum().backward()
    assert torch.equal(rows.grad, weight)
    assert torch.equal(result, codes)


@pytest.mark.parametrize('angle', [1e-4, 1e-2, 3.0, 3.14, 3.1415])
def test_gradients_stay_finite_at_any_angle(angle):
    direction = torch.tensor([angle]).sin(), torch.tensor([angle]).cos()
    rows = torch.tensor([[0.0, 3.0]], requires_grad=True)
    (rotate(rows, 2 * torch.stack(direction, 1)) * 5).sum().backward()
    assert rows.grad.isfinite().all()
    assert rows.grad.norm() <= 5 * 2**0.5 * 1.01  # a turn by any angle keeps lengths


@pytest.mark.parametrize('estimate', [rotate, straight_through])
def test_value_is_exactly_the_code_and_has_no_gradient(estimate):
    rows = (1e3 * torch.randn(9, 3)).requires_grad_()
    codes = torch.randn(9, 3, requires_grad=True)
    result = estimate(rows, codes)
    assert torch.equal(result, codes)
    result.sum().backward()
    assert codes.grad is None and rows.grad is not None


def test_the_quantizer_passes_gradients_as_it_was_told():
    latent = torch.randn(2, 4, 3, 3, requires_grad=True)
    weight = torch.randn(2, 4, 3, 3)
    torch.manual_seed(0)
    module = VectorQuantizer(
        codebook_size=8, dim=4, init='normal', estimator='rotation'
    )
    result = module(latent)
    (result.latent * weight).sum().backward()
    rows = to_rows(latent.detach()).requires_grad_()
    codes = module.codebook[to_rows(result.tokens[:, None])[:, 0]]
    (rotate(rows, codes) * to_rows(weight)).sum().backward()
    assert torch.equal(to_rows(latent.grad), rows.grad)
    assert torch.equal(module.tokens_to_latent(result.tokens), result.latent)


def test_unknown_estimator():
    with pytest.raises(ValueError, match="'magic'"):
        VectorQuantizer(codebook_size=2, dim=2, estimator='magic')
