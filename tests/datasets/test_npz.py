"""Arrays of pictures are numpy's, and mapped where they can be."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.log import Records
from vq.datasets import MissingDataError, NpzDataset, val_loader


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(256, size=(7, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def path(images: NDArray[np.uint8], tmp_path: Path) -> Path:
    np.savez(tmp_path / 'adm.npz', images, np.arange(7))
    return tmp_path / 'adm.npz'


def all_of(dataset: NpzDataset, workers: int = 0) -> torch.Tensor:
    loader = val_loader(dataset, batch_size=3, num_workers=workers, block_size=3)
    return torch.cat([batch.original_image for batch in loader])


@pytest.mark.parametrize('workers', [0, 1])
def test_images_are_those_that_numpy_reads(path: Path, workers: int) -> None:
    dataset = NpzDataset(data_root=str(path))
    expected = np.moveaxis(np.load(path)['arr_0'], 3, 1)
    np.testing.assert_array_equal(all_of(dataset, workers), expected)
    assert isinstance(dataset._images, np.memmap)
    assert dataset.id(6) == '000006' and len(dataset) == 7


@pytest.mark.parametrize('order', ['C', 'F'])
def test_arrays_are_mapped_whatever_lies_before_them(
    images: NDArray[np.uint8], tmp_path: Path, order: str
) -> None:
    path = tmp_path / 'x.npz'
    stored = np.asarray(images, order=order)  # type: ignore[call-overload]
    np.savez(path, first=np.arange(1000), arr_0=stored)
    dataset = NpzDataset(data_root=str(path))
    np.testing.assert_array_equal(all_of(dataset), np.moveaxis(images, 3, 1))
    assert isinstance(dataset._images, np.memmap)


def test_what_is_compressed_is_read_with_a_warning(
    images: NDArray[np.uint8], tmp_path: Path, log: Records
) -> None:
    path = tmp_path / 'x.npz'
    np.savez_compressed(path, images)
    dataset = NpzDataset(data_root=str(path))
    np.testing.assert_array_equal(all_of(dataset), np.moveaxis(images, 3, 1))
    (told,) = log.warnings
    assert f'{path} is compressed: its 548 bytes of images' in told


def test_a_pickle_holds_no_picture_and_opens_the_file_again(path: Path) -> None:
    dataset = NpzDataset(data_root=str(path), transforms=())
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(all_of(again), all_of(dataset))
    assert isinstance(again._images, np.memmap)


@pytest.mark.parametrize(
    ('arrays', 'told'),
    [
        (dict(images=np.zeros((2, 4, 4, 3), np.uint8)), 'images.npy, not arr_0.npy'),
        (dict(arr_0=np.zeros((2, 4, 4, 3))), r'float64 \(2, 4, 4, 3\)'),
        (dict(arr_0=np.zeros((2, 3, 4, 4), np.uint8)), r'uint8 \(2, 3, 4, 4\), not'),
        (dict(arr_0=np.zeros((0, 4, 4, 3), np.uint8)), r'\(0, 4, 4, 3\), no images'),
        (dict(arr_0=np.array([None])), 'holds object'),
    ],
)
def test_what_holds_no_images_is_named(
    tmp_path: Path, arrays: dict[str, NDArray[np.generic]], told: str
) -> None:
    path = tmp_path / 'x.npz'
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=told):
        NpzDataset(data_root=str(path))


def test_a_missing_and_a_torn_file_are_named(path: Path) -> None:
    with pytest.raises(MissingDataError, match='nowhere.npz'):
        NpzDataset(data_root=str(path.with_name('nowhere.npz')))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=f'{path} is no .npz file, or a torn one'):
        NpzDataset(data_root=str(path))
