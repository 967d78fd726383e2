"""The .npz of ADM's evaluation suite (https://arxiv.org/abs/2105.05233), streamed."""

import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from einops import rearrange
from numpy.typing import DTypeLike

from vq.generation import pictures

CHUNK = 256  # pictures in memory


def write_npz(path: Path, files: Sequence[Path], classes: Sequence[int]) -> None:
    """Write pictures and their classes, in order, as `numpy.savez` would.

    Args:
        path: The file; it is whole or absent.
        files: Pictures of one size; they become `arr_0`, uint8, (n, h, w, 3).
        classes: Become `arr_1`, int64, (n,).
    """
    _, height, width = pictures.read(files[0]).shape
    aside = path.with_name(f'.{path.name}.tmp')
    labels = np.asarray(classes, dtype=np.int64)
    with zipfile.ZipFile(aside, 'w', zipfile.ZIP_STORED) as archive:
        shape = (len(files), height, width, 3)
        _write_array(archive, 'arr_0', np.uint8, shape, _pixels(files))
        _write_array(archive, 'arr_1', np.int64, labels.shape, [labels.tobytes()])
    aside.replace(path)


def _pixels(files: Sequence[Path]) -> Iterator[bytes]:
    left = iter(files)
    with ThreadPoolExecutor(pictures.THREADS) as pool:
        while chunk := [*islice(left, CHUNK)]:
            for image in pool.map(pictures.read, chunk):
                yield rearrange(image, 'c h w -> h w c').numpy().tobytes()


def _write_array(
    archive: zipfile.ZipFile,
    name: str,
    dtype: DTypeLike,
    shape: tuple[int, ...],
    parts: Iterator[bytes] | list[bytes],
) -> None:
    header = dict(
        descr=np.lib.format.dtype_to_descr(np.dtype(dtype)),
        fortran_order=False,
        shape=shape,
    )
    # 64 bits, as its length is not known before: 50,000 images of 256 px are 10 GB.
    with archive.open(f'{name}.npy', 'w', force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part)
