"""Samples depend on their key alone; what is unreadable is told, never lost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from vq.datasets import ImageDataset, Unreadable, UnreadableImageError, collate
from vq.datasets.base import OnError
from vq.registry import TRANSFORMS
from vq.types import Sample, SampleKey


class Numbers(ImageDataset):
    """Pictures whose pixels are their index; some are broken; reads are counted."""

    def __init__(
        self,
        length: int,
        *,
        transforms: Sequence[dict[str, Any]] = (),
        on_error: OnError = 'raise',
        broken: Sequence[int] = (),
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        self.length = length
        self.broken = broken
        self.reads: list[int] = []

    def __len__(self) -> int:
        return self.length

    def read(self, index: int) -> Tensor:
        """Return the index as a picture, (3, 6, 6)."""
        self.reads.append(index)
        if index in self.broken:
            raise UnreadableImageError(f'/data/{index}.png', 'truncated')
        return torch.full((3, 6, 6), index % 256, dtype=torch.uint8)

    def id(self, index: int) -> str:
        """Return the index."""
        return f'{index}.png'

    def category(self, index: int) -> int:
        """Return ten times the index."""
        return 10 * index


@TRANSFORMS.register_module(force=True)
class AddRandomNumber:
    """Adds a random number to a picture of one colour."""

    def __call__(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the brighter picture."""
        return image + int(rng.integers(100))


def test_randomness_is_that_of_seed_epoch_and_index() -> None:
    dataset = Numbers(9, transforms=[dict(type='AddRandomNumber')] * 2)
    for key in (SampleKey(3), SampleKey(3, 1), SampleKey(3, 1, 7), SampleKey(4, 1, 7)):
        rng = np.random.default_rng((key.seed, key.epoch, key.index))
        expected = key.index + rng.integers(100) + rng.integers(100)
        sample = dataset[key]
        assert isinstance(sample, Sample)
        assert (sample.original_image == int(expected)).all()
        assert (sample.index, sample.id) == (key.index, f'{key.index}.png')
        assert sample.category == 10 * key.index
    np.random.seed(1)  # noqa: NPY002
    again = dataset[3]
    assert isinstance(again, Sample)
    first = dataset[SampleKey(3, 0, 0)]
    assert isinstance(first, Sample)
    assert torch.equal(again.original_image, first.original_image)


def test_collate_stacks() -> None:
    dataset = Numbers(9)
    batch = collate([dataset[2], dataset[5]])
    assert batch.original_image.shape == (2, 3, 6, 6)
    assert batch.original_image[:, 0, 0, 0].tolist() == [2, 5]
    assert batch.category.tolist() == [20, 50]
    assert batch.index.tolist() == [2, 5]
    assert (batch.ids, batch.unreadable) == (['2.png', '5.png'], [])
    assert batch.original_image.is_contiguous()


def test_raise_is_the_default() -> None:
    with pytest.raises(UnreadableImageError, match=r'/data/1\.png: truncated'):
        Numbers(3, broken=[1])[1]


def test_skip_leaves_the_sample_out() -> None:
    dataset = Numbers(4, on_error='skip', broken=[1, 2])
    batch = collate([dataset[i] for i in range(4)])
    assert batch.ids == ['0.png', '3.png']
    assert batch.unreadable == ['1.png: truncated', '2.png: truncated']
    empty = collate([dataset[1]])
    assert len(empty) == 0
    assert empty.original_image.shape == (0, 3, 0, 0)
    assert empty.unreadable == ['1.png: truncated']


def test_replace_takes_the_next_readable_one() -> None:
    dataset = Numbers(4, on_error='replace', broken=[2, 3])
    batch = collate([dataset[1], dataset[2]])
    assert batch.index.tolist() == [1, 0]
    assert batch.ids == ['1.png', '0.png']
    assert batch.unreadable == ['2.png: truncated', '3.png: truncated']


def test_replacement_is_the_sample_of_its_own_key() -> None:
    dataset = Numbers(
        4, transforms=[dict(type='AddRandomNumber')], on_error='replace', broken=[2]
    )
    result, expected = dataset[SampleKey(2, 5, 6)], dataset[SampleKey(3, 5, 6)]
    assert isinstance(result, Unreadable)
    assert isinstance(expected, Sample)
    assert result.replacement is not None
    assert torch.equal(result.replacement.original_image, expected.original_image)


def test_replace_gives_up_when_nothing_is_readable() -> None:
    with pytest.raises(UnreadableImageError, match='none of the 3|any of the 3'):
        Numbers(3, on_error='replace', broken=range(3))[0]


def test_sizes_that_differ_are_named() -> None:
    samples = [
        Sample(torch.zeros(3, 4, width, dtype=torch.uint8), 0, f'{width}.png', 0)
        for width in (4, 4, 5)
    ]
    with pytest.raises(ValueError, match=r'4\.png is 4x4, 5\.png is 4x5.*CenterCrop'):
        collate(samples)


@pytest.mark.parametrize('index', [-1, 3])
def test_index_out_of_range_is_shown(index: int) -> None:
    with pytest.raises(IndexError, match=rf'{index} is not in \[0, 3\)'):
        Numbers(3)[index]


def test_unknown_on_error_is_shown() -> None:
    with pytest.raises(ValueError, match="'skip'.*got 'ignore'"):
        Numbers(3, on_error='ignore')  # type: ignore[arg-type]
