"""Clips of videos: consecutive frames, which a batch holds as so many images."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vq import paths
from vq.datasets.base import ImageDataset, MissingDataError, OnError
from vq.datasets.decoding import UnreadableImageError
from vq.datasets.names import Names
from vq.datasets.videos import (
    READERS,
    VIDEOS,
    AvVideo,
    DecordVideo,
    FolderVideo,
    OpenVideos,
    Video,
    find_reader,
    find_videos,
    natural,
)
from vq.registry import DATASETS
from vq.types import Clip, Sample, SampleKey

THREADS = 8  # that count frames

_logger = logging.getLogger(__name__)


@DATASETS.register_module()
class ClipDataset(ImageDataset):
    """The clips of all videos below a folder, in natural order.

    A video is a file or a folder of pictures. A batch of b clips of t frames holds b t
    images; all frames of a clip are augmented alike. Of one frame, clips are images,
    such as every data set has. An image is named by its video and its number there,
    'cat.mp4/000012'.

    Args:
        data_root: The folder; relative ones lie below the repository. Videos may lie
            deeper in it.
        frames: Frames a clip.
        stride: From one frame of a clip to the next.
        step: From one clip to the next; None: to the first frame behind it that the
            stride meets.
        reader: What reads video files, 'av' or 'decord'; 'auto': whichever of these is
            installed. Folders of pictures take neither.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`; an item is a clip. A video whose frames cannot be
            counted is an error ('raise') or left out.

    Raises:
        MissingDataError: There is no such folder, or no video in it.
        ImportError: No reader is installed.
        ValueError: All videos are shorter than a clip, or a number is out of range.
    """

    def __init__(
        self,
        *,
        data_root: str,
        frames: int = 8,
        stride: int = 1,
        step: int | None = None,
        reader: str = 'auto',
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        super().__init__(transforms=transforms, on_error=on_error)
        self.frames, self._stride = frames, stride
        self._step = frames * stride if step is None else step
        _check(frames=frames, stride=stride, step=self._step)
        if reader not in ('auto', *READERS):
            raise ValueError(
                f"reader must be 'auto' or one of {list(READERS)}, got {reader!r}"
            )
        self.root = paths.resolve(data_root)
        self.description = (
            f'{data_root}, {frames} frames, stride {stride}, step {self._step}'
        )
        self._reader: type[AvVideo | DecordVideo] = AvVideo
        names = self._find(data_root, reader)
        with ThreadPoolExecutor(THREADS) as pool:
            counts = np.array(list(pool.map(self._count, names)), np.int64)
        clips = np.maximum((counts - self._span) // self._step + 1, 0)
        self._check_lengths(names, counts, clips)
        self._names, self._ends = Names(names), np.cumsum(clips)
        self._videos = OpenVideos(self._video)

    @property
    def _span(self) -> int:
        """Frames of a video from the first of a clip to its last."""
        return (self.frames - 1) * self._stride + 1

    def _find(self, data_root: str, reader: str) -> list[str]:
        way_out = (
            f'put videos ({", ".join(VIDEOS)}) or a folder of pictures for each there, '
            'or say by option data_root where they are'
        )
        if not self.root.is_dir():
            raise MissingDataError(f'there is no folder {self.root}; {way_out}')
        names = sorted(find_videos(self.root), key=natural)
        if not names:
            raise MissingDataError(f'there is no video in {self.root}; {way_out}')
        if '' in names:
            raise ValueError(
                f'{self.root} holds pictures itself: put the frames of each video into '
                'a folder of their own in it'
            )
        if any(name.lower().endswith(VIDEOS) for name in names):
            self._reader = find_reader(reader)
        return names

    def _count(self, name: str) -> int:
        path = self.root / name
        try:
            return len(FolderVideo(path)) if path.is_dir() else self._reader.count(path)
        except UnreadableImageError as error:
            if self.on_error == 'raise':
                raise
            _logger.warning('unreadable video: %s: %s', name, error.reason)
            return 0

    def _check_lengths(
        self, names: list[str], counts: NDArray[np.int64], clips: NDArray[np.int64]
    ) -> None:
        short = np.flatnonzero(clips == 0)
        if len(short) == len(names):
            longest = int(counts.argmax())
            raise ValueError(
                f'no video in {self.root} has the {self._span} frames of a clip '
                f'(frames={self.frames}, stride={self._stride}); the longest of '
                f'{len(names)} is {names[longest]} with {counts[longest]}'
            )
        if len(short):
            _logger.warning(
                '%d of %d videos are shorter than the %d frames of a clip and are left '
                'out, such as %s',
                *(len(short), len(names), self._span, names[short[0]]),
            )

    def _video(self, path: Path) -> Video:
        return FolderVideo(path) if path.is_dir() else self._reader(path)

    def _place(self, index: int) -> tuple[str, int]:
        """Return the video of clip `index`, and the number of its first frame there."""
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is not in [0, {len(self)})')
        number = int(np.searchsorted(self._ends, index, side='right'))
        before = int(self._ends[number - 1]) if number else 0
        return self._names[number], (index - before) * self._step

    @property
    def name(self) -> str:
        """The last two names of the folder's path: 'clips/val'."""
        return '/'.join(self.root.parts[-2:])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def sample(self, key: SampleKey) -> Sample | Clip:
        """Return clip `key.index`; of one frame, an image."""
        name, first = self._place(key.index)
        places = range(first, first + self._span, self._stride)
        images = self._videos[self.root / name].frames(places)
        samples = []
        for number, (place, image) in enumerate(zip(places, images, strict=True)):
            # Each frame draws the same random numbers.
            rng = np.random.default_rng((key.seed, key.epoch, key.index))
            for transform in self.transforms:
                image = transform(image, rng)
            index = key.index * self.frames + number
            samples.append(Sample(image, 0, _id(name, place), index))
        return Clip(samples) if self.frames > 1 else samples[0]

    def read(self, index: int) -> Tensor:
        """Return the first frame of clip `index`: uint8, (3, h, w)."""
        name, first = self._place(index)
        return self._videos[self.root / name].frames([first])[0]

    def id(self, index: int) -> str:
        """Return the name of the first frame of clip `index`."""
        return _id(*self._place(index))


def _id(video: str, place: int) -> str:
    return f'{video}/{place:06d}'


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f'{name} must be at least 1, got {number}')
