"""Changes of colour equal torchvision's for the same factors, in the same order."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from tests.datasets.pictures import photo, to_tensor
from vq.datasets import ColorJitter

CHANGES = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
)
MOST = dict(brightness=0.2, contrast=1.5, saturation=0.4)


@pytest.mark.parametrize('seed', range(8))
def test_equal_to_torchvision(seed: int) -> None:
    image = to_tensor(photo(size=(40, 30)))
    generator, expected = np.random.default_rng(seed), image
    for place in generator.permutation(3):
        most = list(MOST.values())[place]
        factor = generator.uniform(max(0, 1 - most), 1 + most)
        expected = CHANGES[place](expected, factor)
    changed = ColorJitter(**MOST)(image, np.random.default_rng(seed))
    assert torch.equal(changed, expected)
    assert changed.dtype == torch.uint8 and not torch.equal(changed, image)


def test_order_and_factors_are_as_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    jitter, made = ColorJitter(**MOST), list[tuple[int, float]]()

    def noting(place: int) -> object:
        def change(image: torch.Tensor, factor: float) -> torch.Tensor:
            made.append((place, factor))
            return image

        return change

    changes = [(noting(i), most) for i, most in enumerate(MOST.values())]
    monkeypatch.setattr(jitter, 'changes', changes)
    generator = np.random.default_rng(0)
    for _ in range(1200):
        jitter(torch.zeros(3, 1, 1, dtype=torch.uint8), generator)
    orders = [tuple(place for place, _ in made[i : i + 3]) for i in range(0, 3600, 3)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and min(counts) > 150
    for place, (low, high) in enumerate([(0.8, 1.2), (0, 2.5), (0.6, 1.4)]):
        factors = [factor for where, factor in made if where == place]
        assert low <= min(factors) < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < max(factors) <= high
        assert np.mean(factors) == pytest.approx((low + high) / 2, abs=0.05)


def test_what_is_not_named_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    image, state = to_tensor(photo(size=(8, 6))), torch.get_rng_state()
    assert ColorJitter()(image, np.random.default_rng(0)) is image
    brighter = ColorJitter(brightness=0.3)(image, np.random.default_rng(1)).int()
    ratios = brighter[image > 60] / image[image > 60]
    assert ratios.std() < 0.01  # one factor for all
    assert torch.equal(torch.get_rng_state(), state)


def test_a_range_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match='contrast must be at least 0, got -0.1'):
        ColorJitter(contrast=-0.1)
