"""Blur: equal to scipy's convolution, at either border."""

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from torch.nn import functional

from vq.models.discriminators.blur import Blur, mirrored


def image():
    return torch.randn(2, 3, 7, 6, dtype=torch.float64)


@pytest.mark.parametrize(('padding', 'stride'), [(2, 1), (1, 1), (1, 2), (3, 3)])
def test_four_taps_equal_a_full_convolution(padding, stride):
    hidden = image()
    actual = Blur(taps=(1, 3, 3, 1), padding=padding, stride=stride).double()(hidden)
    kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    for channel, expected in zip(
        actual.flatten(0, 1), hidden.flatten(0, 1), strict=True
    ):
        full = signal.convolve2d(np.pad(expected, padding), kernel, mode='valid')
        np.testing.assert_allclose(channel, full[::stride, ::stride], atol=1e-12)


def test_three_taps_with_a_mirror_equal_scipy():
    hidden = image()
    actual = Blur(taps=(1, 2, 1), padding=1, border='reflect').double()(hidden)
    kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16
    # What torch calls 'reflect' is scipy's 'mirror'.
    expected = ndimage.convolve(hidden.numpy(), kernel, mode='mirror')
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_mirrored_equals_torch_with_its_gradient():
    ours = image().requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    out, expected = mirrored(ours), functional.pad(theirs, [1] * 4, mode='reflect')
    assert torch.equal(out, expected)
    weight = torch.randn_like(out)
    (out * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_kernel_is_written_anew_and_in_no_checkpoint():
    with torch.device('meta'):
        blur = Blur(taps=(1, 2, 1), padding=1)
    blur = blur.to_empty(device='cpu')
    blur.reset_parameters()
    assert torch.equal(blur.kernel.sum(), torch.tensor(1.0))
    assert not blur.state_dict()


def test_wrong_borders():
    with pytest.raises(ValueError, match="'wrap'"):
        Blur(taps=(1, 2, 1), padding=1, border='wrap')
    with pytest.raises(ValueError, match='padding=1, got 2'):
        Blur(taps=(1, 2, 1), padding=2, border='reflect')
