"""Pictures are cut and enlarged so that a patch stays what its token saw."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.patches.painting import NoiseDataset
from vq.datasets.transforms import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    Resize,
    Transform,
)
from vq.patches.choosing import Plan
from vq.patches.reading import Enlarge, PatchDataset, cut

RNG = np.random.default_rng(0)


def apply(transforms: list[Transform], image: Tensor) -> Tensor:
    for transform in transforms:
        image = transform(image, RNG)
    return image


def ramp(height: int, width: int) -> Tensor:
    """Return a picture that is 2 grey levels brighter a pixel, down, right and both."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    return torch.stack([2 * y, 2 * x, y + x]).to(torch.uint8)


@pytest.mark.parametrize('size', [(100, 67), (61, 90), (93, 62), (64, 64), (75, 53)])
@pytest.mark.parametrize('crop', [48, 41])
@pytest.mark.parametrize('scale', [2, 3])
def test_an_enlarged_picture_is_the_same_part(
    size: tuple[int, int], crop: int, scale: int
) -> None:
    transforms = [Resize(size=51), CenterCrop(size=crop)]
    image = ramp(*size)
    small = apply(transforms, image).float()
    large = Enlarge(transforms, scale=scale)(image, RNG).float()
    assert large.shape == (3, crop * scale, crop * scale)
    # Half a pixel is 1.0 to 1.8 grey levels; rounding is 0.5 at the most.
    means = torch.nn.functional.avg_pool2d(large, scale)
    assert (means - small)[:, 2:-2, 2:-2].mean((1, 2)).abs().max() < 0.3


def test_scaling_the_arguments_would_be_off() -> None:
    """What `Enlarge` avoids: sizes and corners that are rounded anew."""
    image = ramp(93, 62)
    small = apply([Resize(size=51), CenterCrop(size=48)], image).float()
    naive = apply([Resize(size=102), CenterCrop(size=96)], image).float()
    means = torch.nn.functional.avg_pool2d(naive, 2)
    assert (means - small)[:, 2:-2, 2:-2].mean((1, 2)).abs().max() > 0.6
    # Scaling the resize alone shows the middle of the picture.
    zoomed = apply([Resize(size=102), CenterCrop(size=48)], image).float()
    assert (zoomed - small).abs().max() > 10


def test_a_crop_before_the_resize_stays() -> None:
    transforms = [CenterCrop(size=40), Resize(size=20)]
    large = Enlarge(transforms, scale=2)(ramp(60, 51), RNG)
    assert torch.equal(large, CenterCrop(size=40)(ramp(60, 51), RNG))


def test_what_can_be_enlarged() -> None:
    resize, crop = Resize(size=8), CenterCrop(size=8)
    assert Enlarge.suits([resize, crop]) and Enlarge.suits([crop, resize])
    assert not Enlarge.suits([]) and not Enlarge.suits([crop])
    assert not Enlarge.suits([resize, RandomCrop(size=8)])
    assert not Enlarge.suits([resize, RandomHorizontalFlip()])


def test_patches_are_slices() -> None:
    image = torch.randint(256, (3, 6, 20), dtype=torch.uint8)
    found = cut(image, torch.tensor([7, 0, 3]), grid=(2, 4))
    expected = [image[:, 3:6, 15:20], image[:, 0:3, 0:5], image[:, 0:3, 15:20]]
    assert torch.equal(found, torch.stack(expected))
    with pytest.raises(ValueError, match='6x20 pixels cannot be cut into 4x4'):
        cut(image, torch.tensor([0]), grid=(4, 4))


def plan(images: list[int], places: list[int]) -> Plan:
    """Return a plan of one code."""
    number = len(images)
    return Plan(
        codes=np.zeros(1, np.uint16),
        starts=np.array([0, number]),
        images=np.array(images),
        places=np.array(places),
    )


@pytest.mark.parametrize('num_workers', [0, 1])
def test_each_image_is_read_once_and_in_order(num_workers: int) -> None:
    dataset = NoiseDataset(length=40, height=4, width=6)
    images = [int(i) for i in np.random.default_rng(0).integers(40, size=60)]
    places = [i % 6 for i in range(60)]
    patches = PatchDataset(dataset, plan=plan(images, places), grid=(2, 3), repeats=2)
    assert patches.shape == (4, 4, 3)
    dataset.reads.clear()
    batches = list(patches.batches(start=0, num_workers=num_workers))
    if not num_workers:
        assert dataset.reads == sorted(set(images))
    assert [read for read, _ in batches][-1] == len(set(images))
    rows = torch.cat([r for _, (r, _) in batches])
    assert sorted(rows.tolist()) == list(range(60))
    found = torch.cat([p for _, (_, p) in batches])
    for row, patch in zip(rows.tolist(), found, strict=True):
        i, j = divmod(places[row], 3)
        expected = dataset.read(images[row])[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        expected = expected.permute(1, 2, 0).numpy()
        assert np.array_equal(patch, np.kron(expected, np.ones((2, 2, 1))))
    later = list(patches.batches(start=batches[0][0], num_workers=0))
    assert [read for read, _ in later] == [read for read, _ in batches[1:]]
    assert torch.equal(later[0][1][1], batches[1][1][1])


class Growing(NoiseDataset):
    def read(self, index: int) -> Tensor:
        return super().read(index).repeat(1, 1, 1 + index)


def test_images_must_be_of_one_size() -> None:
    dataset = Growing(length=3, height=4, width=4)
    patches = PatchDataset(dataset, plan=plan([0, 2], [0, 1]), grid=(2, 2))
    with pytest.raises(ValueError, match=r'2\.png: its patches are .* end the data'):
        list(patches.batches(start=0, num_workers=0))
    with pytest.raises(ValueError, match=r'0\.png: an image of 4x4 .* 3x2 equal'):
        PatchDataset(dataset, plan=plan([0], [0]), grid=(3, 2))
