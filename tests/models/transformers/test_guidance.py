"""Draws have the softmax's frequencies; scales and filters are the formulas'."""

import math

import numpy as np
import pytest
import torch

from vq.models.transformers import Sampling, uniforms
from vq.models.transformers.guidance import LEAST_TEMPERATURE, draw, guided


def frequencies(logits, sampling, number=4000):
    """Return how often tokens are drawn by numbers that fill [0, 1) evenly."""
    grid = (torch.arange(number, dtype=torch.float64) + 0.5) / number
    drawn = draw(logits.expand(number, -1), grid, sampling)
    return torch.bincount(drawn, minlength=len(logits)) / number


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_draws_invert_the_distribution(temperature):
    logits = torch.randn(30) * 2
    found = frequencies(logits, Sampling(temperature=temperature))
    expected = (logits.double() / temperature).softmax(-1)
    # Each token has an interval of its probability: only its two ends can round.
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1.01 / 4000)


@pytest.mark.parametrize(('top_k', 'top_p'), [(5, None), (0, 0.7), (9, 0.5), (1, 1.0)])
def test_filters_leave_the_likeliest(top_k, top_p):
    logits = torch.randn(30) * 2
    probability = logits.double().softmax(-1).numpy()
    order = np.argsort(-probability)[: top_k or 30]
    kept = probability[order] / probability[order].sum()
    reached = np.cumsum(kept) - kept <= (top_p or 1)
    expected = np.zeros(30)
    expected[order[reached]] = kept[reached] / kept[reached].sum()
    found = frequencies(logits, Sampling(top_k=top_k, top_p=top_p))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1.01 / 4000)
    assert not found[torch.from_numpy(expected == 0)].any()


def test_ends_of_the_range_are_drawn_and_nothing_beyond():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    last = torch.tensor([np.nextafter(1, 0)])
    for sampling in (Sampling(), Sampling(top_k=4), Sampling(top_p=0.99)):
        assert draw(logits, torch.zeros(1).double(), sampling).item() == 1
        assert draw(logits, last, sampling).item() == 3
    many = torch.randn(1, 16384) * 10
    assert draw(many, last, Sampling()).item() < 16384


def test_the_least_temperature_takes_the_likeliest():
    logits = torch.randn(1, 30) * 100
    cold = Sampling(temperature=LEAST_TEMPERATURE)
    assert draw(logits, torch.tensor([0.5]).double(), cold) == logits.argmax()


def test_scales_grow_as_told():
    assert Sampling(cfg=4.0).scales(3) == [4.0] * 3
    assert Sampling(cfg=4.0, cfg_tokens=2).scales(4) == [4.0, 4.0, 1.0, 1.0]
    linear = Sampling(cfg=3.0, cfg_schedule='linear')
    assert linear.scales(5) == pytest.approx([1, 1.5, 2, 2.5, 3])
    power = Sampling(cfg=3.0, cfg_schedule='power', cfg_power=2.0)
    expected = [1 + 2 * (1 - math.cos(math.pi * (i / 4) ** 2)) / 2 for i in range(5)]
    assert power.scales(5) == pytest.approx(expected)
    assert power.scales(1) == [1.0]
    logits = torch.tensor([[3.0], [5.0], [1.0], [2.0]])
    assert guided(logits, 4.0).flatten().tolist() == [9.0, 14.0]


def test_numbers_are_an_images_own():
    expected = [np.random.default_rng((7, i)).random(5) for i in (3, 11)]
    assert np.array_equal(uniforms(7, [3, 11], 5).numpy(), np.stack(expected))
    swapped = uniforms(7, torch.tensor([11, 3]), 5)
    assert torch.equal(swapped.flip(0), uniforms(7, [3, 11], 5))
    assert not torch.equal(uniforms(8, [3], 5), uniforms(7, [3], 5))


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(cfg_schedule='cosine'), "got 'cosine'"),
        (dict(temperature=-1.0), 'temperature must be at least 0'),
        (dict(cfg=math.inf), 'cfg must be at least 0'),
        (dict(top_k=-1), 'top_k must be at least 0'),
        (dict(top_k=0.9), 'top_k must be at least 0, and whole'),
        (dict(temperature=None), 'temperature must be at least 0'),
        (dict(temperature=1e-44), r'temperature must be 0, .* or at least 1e-06'),
        (dict(top_p=1.5), r'top_p must be in \(0, 1\]'),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Sampling(**settings)


def test_logits_that_are_no_numbers_draw_some_token() -> None:
    logits = torch.full((2, 5), torch.nan)
    drawn = draw(logits, torch.tensor([0.0, 0.9], dtype=torch.float64), Sampling())
    assert drawn.tolist() == [4, 4]


def test_all_tokens_have_one_name() -> None:
    assert Sampling(top_k=0, top_p=1.0) == Sampling()
