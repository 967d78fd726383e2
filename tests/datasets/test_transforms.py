"""Transforms equal torchvision's, and Pillow's within two grey levels."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from tests.datasets.pictures import PHOTOS, noise, photo, to_tensor
from vq.datasets import transforms
from vq.registry import TRANSFORMS

MEAN_TOLERANCE = 0.01  # grey levels, averaged over a picture
BICUBIC = InterpolationMode.BICUBIC


def rng(seed: int = 0) -> np.random.Generator:
    """Return a fresh generator."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize('name', PHOTOS)
@pytest.mark.parametrize('size', [64, 256, 384, 500])
def test_resize_equals_pillow_within_two_grey_levels(name: str, size: int) -> None:
    image = photo(name)
    ours = transforms.Resize(size=size)(to_tensor(image), rng())
    height, width = ours.shape[1:]
    assert min(height, width) == size
    theirs = to_tensor(image.resize((width, height), Image.Resampling.BICUBIC))
    difference = (ours.int() - theirs.int()).abs()
    assert difference.max() <= 2
    assert (difference == 2).float().mean() <= 1e-4
    assert difference.float().mean() <= MEAN_TOLERANCE


@pytest.mark.parametrize('shape', [(50, 70), (70, 50), (33, 33), (9, 100), (64, 65)])
@pytest.mark.parametrize('size', [32, 47])
def test_resize_and_centre_crop_equal_torchvision(
    shape: tuple[int, int], size: int
) -> None:
    image = torch.from_numpy(noise(*shape).transpose(2, 0, 1).copy())
    resized = transforms.Resize(size=size)(image, rng())
    assert torch.equal(resized, v2.Resize(size, BICUBIC, antialias=True)(image))
    cropped = transforms.CenterCrop(size=size)(resized, rng())
    assert torch.equal(cropped, v2.CenterCrop(size)(resized))


@pytest.mark.parametrize('shape', [(5, 8), (8, 5), (6, 6), (1, 4)])
@pytest.mark.parametrize('value', [7, (1, 2, 3)])
def test_padding_lays_the_picture_in_the_middle(
    shape: tuple[int, int], value: int | tuple[int, ...]
) -> None:
    pixels = noise(*shape)
    side, (height, width) = max(shape), shape
    expected = np.empty((side, side, 3), np.uint8)
    expected[:] = value
    top, left = (side - height) // 2, (side - width) // 2
    expected[top : top + height, left : left + width] = pixels
    padded = transforms.PadToSquare(value=value)(
        torch.from_numpy(pixels).permute(2, 0, 1), rng()
    )
    assert np.array_equal(padded.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize('shape', [(50, 70), (33, 32), (47, 32)])
def test_ten_crops_are_corners_centre_and_their_mirrors(shape: tuple[int, int]) -> None:
    height, width = shape
    pixels = noise(height, width)
    ours = transforms.TenCrop(size=32)(torch.from_numpy(pixels).permute(2, 0, 1), rng())
    bottom, right = height - 32, width - 32
    # Python's round, halves to even, is torchvision's.
    centre = (round(bottom / 2), round(right / 2))
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), centre]
    expected = [
        picture[top : top + 32, left : left + 32]
        for picture in (pixels, pixels[:, ::-1])
        for top, left in corners
    ]
    assert np.array_equal(ours.permute(0, 2, 3, 1).numpy(), np.stack(expected))
    one = v2.functional.ten_crop(Image.fromarray(pixels), [32, 32])
    assert np.array_equal(np.stack([np.asarray(crop) for crop in one]), expected)


def _give_torch_our_numbers(
    monkeypatch: pytest.MonkeyPatch, generator: np.random.Generator
) -> None:
    """Let torchvision draw from `generator`, in its own order of draws."""

    def uniform(tensor: torch.Tensor, low: float = 0, high: float = 1) -> torch.Tensor:
        return tensor.double().fill_(generator.uniform(low, high))

    def integers(low: int, high: int, size: tuple[int, ...]) -> torch.Tensor:
        assert (low, size) == (0, (1,))
        return torch.tensor([int(generator.integers(high))])

    monkeypatch.setattr(torch.Tensor, 'uniform_', uniform)
    monkeypatch.setattr(torch, 'randint', integers)


@pytest.mark.parametrize('shape', [(60, 80), (80, 60), (20, 200), (200, 20), (40, 40)])
@pytest.mark.parametrize('scale', [(0.08, 1.0), (0.8, 1.0)])
def test_random_resized_crop_equals_torchvision(
    shape: tuple[int, int], scale: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.from_numpy(noise(*shape).transpose(2, 0, 1).copy())
    ours = transforms.RandomResizedCrop(size=24, scale=scale)
    theirs = v2.RandomResizedCrop(24, scale, interpolation=BICUBIC, antialias=True)
    expected = [ours(image, rng(seed)) for seed in range(20)]
    for seed in range(20):
        _give_torch_our_numbers(monkeypatch, rng(seed))
        assert torch.equal(theirs(image), expected[seed])


def test_random_crop_takes_every_place_equally_often() -> None:
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(7), indexing='ij')
    image = torch.stack([rows, columns, rows]).to(torch.uint8)
    crop, generator = transforms.RandomCrop(size=4), rng()
    counts = np.zeros((3, 4))
    for _ in range(2400):
        cropped = crop(image, generator)
        top, left = int(cropped[0, 0, 0]), int(cropped[1, 0, 0])
        assert torch.equal(cropped, image[:, top : top + 4, left : left + 4])
        counts[top, left] += 1
    assert np.abs(counts - 200).max() < 60


def test_flip_mirrors_half_of_the_pictures() -> None:
    image = to_tensor(photo(size=(8, 6)))
    flip, generator = transforms.RandomHorizontalFlip(), rng()
    flipped = [torch.equal(flip(image, generator), image.flip(2)) for _ in range(1000)]
    assert 430 < sum(flipped) < 570
    for probability, expected in ((0.0, image), (1.0, image.flip(2))):
        always = transforms.RandomHorizontalFlip(probability=probability)
        assert torch.equal(always(image, generator), expected)


def test_same_generator_same_picture_and_torch_is_left_alone() -> None:
    image, state = to_tensor(photo(size=(60, 40))), torch.get_rng_state()
    for name in ('RandomCrop', 'RandomResizedCrop'):
        transform = TRANSFORMS.build(dict(type=name, size=24))
        first, again, other = (transform(image, rng(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert first.dtype == torch.uint8
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('name', ['CenterCrop', 'RandomCrop', 'TenCrop'])
def test_too_small_an_image_is_refused(name: str) -> None:
    crop = TRANSFORMS.build(dict(type=name, size=32))
    image = torch.zeros(3, 31, 40, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f'{name}.*32.*31x40.*Resize'):
        crop(image, rng())
    fitting = crop(transforms.Resize(size=32)(image, rng()), rng())
    assert fitting.shape[-3:] == (3, 32, 32)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        (dict(type='Resize', size=0), 'size must be at least 1 pixel, got 0'),
        (dict(type='PadToSquare', value=256), 'three of 0 to 255, got 256'),
        (dict(type='PadToSquare', value=[1, 2]), r'three .* got \[1, 2\]'),
        (dict(type='RandomHorizontalFlip', probability=2), r'\[0, 1\], got 2'),
        (dict(type='RandomResizedCrop', size=8, scale=(1, 0.5)), 'scale .* 1, 0.5'),
        (dict(type='RandomResizedCrop', size=8, ratio=(0, 1)), 'ratio .* 0, 1'),
    ],
)
def test_bad_arguments_are_shown(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(config)
