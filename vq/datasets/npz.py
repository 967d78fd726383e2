"""Pictures in one .npz file, as the generators of papers publish their samples."""

import logging
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, MissingDataError
from vq.pretrained.progress import human
from vq.registry import DATASETS

_logger = logging.getLogger(__name__)
MEMBER = 'arr_0.npy'  # numpy's name of the first array
LOCAL_HEADER = 30  # bytes before the name of a zip's member


@DATASETS.register_module()
class NpzDataset(ImageDataset):
    """The pictures of an array `arr_0` in an .npz file: uint8, (n, h, w, 3).

    ADM's samples look so (https://arxiv.org/abs/2105.05233); their labels, `arr_1`, are
    left aside. What `numpy.savez` wrote is mapped, not loaded, so that 10 GB of samples
    take no memory; what `numpy.savez_compressed` wrote is read at once.

    Args:
        data_root: The file; relative ones lie below the repository.
        transforms: Configs of the transforms, in order.

    Raises:
        MissingDataError: There is no such file.
        ValueError: It is no .npz, or holds something else.
    """

    def __init__(
        self, *, data_root: str, transforms: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(transforms=transforms)
        self.description = data_root
        self.path = paths.resolve(data_root)
        self._images = _open(self.path)

    @property
    def name(self) -> str:
        """The last two names of the file's path: 'samples/adm.npz'."""
        return '/'.join(self.path.parts[-2:])

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int) -> Tensor:
        """Return picture `index`: uint8, (3, h, w)."""
        pixels = torch.from_numpy(np.array(self._images[index]))
        return rearrange(pixels, 'h w c -> c h w')

    def id(self, index: int) -> str:
        """Return the number of picture `index`, with leading zeros."""
        return f'{index:06d}'

    def __getstate__(self) -> dict[str, Any]:
        """Leave the pictures behind when pickled for a worker."""
        return {k: v for k, v in self.__dict__.items() if k != '_images'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file anew."""
        self.__dict__.update(state)
        self._images = _open(self.path)


def _open(path: Path) -> NDArray[np.uint8]:
    """Return the pictures of a file, (n, h, w, 3), mapped where that is possible."""
    if not path.is_file():
        raise MissingDataError(f'there is no file {path}')
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path} is no .npz file, or a torn one: {error}') from None
    if MEMBER not in members:
        raise ValueError(
            f'{path} holds {", ".join(members) or "nothing"}, not {MEMBER}; save the '
            'images (n, h, w, 3) by numpy.savez(path, images)'
        )
    if members[MEMBER].compress_type == zipfile.ZIP_STORED:
        images = _map(path, members[MEMBER])
    else:
        _logger.warning(
            '%s is compressed: its %s of images go to memory; numpy.savez writes '
            'files that need not',
            path,
            human(members[MEMBER].file_size),
        )
        with np.load(path) as arrays:
            images = arrays[MEMBER.removesuffix('.npy')]
    _check(images, path)
    return images


def _map(path: Path, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Map an array that lies in a zip as it is, which numpy cannot do by itself."""
    with open(path, 'rb') as file:
        # The lengths of name and extra field differ from those in the zip's index.
        file.seek(member.header_offset)
        *_, name, extra = struct.unpack('<26sHH', file.read(LOCAL_HEADER))
        file.seek(name + extra, 1)
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
        offset = file.tell()
    if dtype.hasobject or not all(shape):
        raise ValueError(f'{path} holds {dtype} {shape}, no images (n, h, w, 3)')
    return np.memmap(
        path, dtype, 'r', offset, shape=shape, order='F' if fortran else 'C'
    )


def _check(images: NDArray[Any], path: Path) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f'{path} holds {images.dtype} {images.shape}, not uint8 (n, h, w, 3)'
        )
