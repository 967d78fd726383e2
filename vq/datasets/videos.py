"""Frames of videos: files, read by PyAV or decord, and folders of pictures."""

import importlib
import importlib.util
import math
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vq.datasets.decoding import UnreadableImageError, read_image
from vq.datasets.folder import EXTENSIONS
from vq.datasets.listed import flat_files

VIDEOS = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.gif', '.mpg', '.mpeg',
          '.ts', '.flv', '.wmv')  # fmt: skip
HIDDEN = ('vp8',)  # codecs some of whose packets are no frames to be shown
OPEN = 16  # videos that a process keeps open


class Video(Protocol):
    """An open video."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def frames(self, places: Sequence[int]) -> list[Tensor]:
        """Return some frames, each uint8 RGB, (3, h, w).

        Raises:
            UnreadableImageError: One is broken.
        """


def natural(name: str) -> tuple[list[Any], str]:
    """Return a key that sorts numbers in names by size: frame10 behind frame9."""
    # Text and numbers take turns, so that like meets like.
    parts = re.split(r'([0-9]+)', name)
    return [int(p) if i % 2 else p for i, p in enumerate(parts)], name


def find_videos(folder: Path, prefix: str = '') -> Iterator[str]:
    """Yield the videos below a folder, unsorted: files, and folders of pictures.

    Hidden ones are left out, and pictures beside video files, which are previews.

    Args:
        folder: Where to look.
        prefix: What comes before the names.
    """
    videos, pictures = False, False
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir():
                yield from find_videos(Path(entry), f'{prefix}{entry.name}/')
            elif entry.name.lower().endswith(VIDEOS):
                videos = True
                yield prefix + entry.name
            elif entry.name.lower().endswith(EXTENSIONS):
                pictures = True
    if pictures and not videos:
        yield prefix.removesuffix('/')


class FolderVideo:
    """The pictures of a folder as the frames of a video, in natural order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = sorted(flat_files(path), key=natural)

    def __len__(self) -> int:
        return len(self._names)

    def frames(self, places: Sequence[int]) -> list[Tensor]:
        """Return some frames, each uint8 RGB, (3, h, w)."""
        return [read_image(self._path / self._names[place]) for place in places]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableImageError:
        raise
    except Exception as error:  # the libraries raise a dozen kinds on broken files
        raise UnreadableImageError(str(path), str(error) or repr(error)) from error


class DecordVideo:
    """A video file, read by decord."""

    def __init__(self, path: Path) -> None:
        self._path = path
        decord = importlib.import_module('decord')
        with _readable(path):
            # Workers are one a core already.
            self._reader = decord.VideoReader(str(path), num_threads=1)

    @classmethod
    def count(cls, path: Path) -> int:
        """Return how many frames a file has."""
        return len(cls(path))

    def __len__(self) -> int:
        return len(self._reader)

    def frames(self, places: Sequence[int]) -> list[Tensor]:
        """Return some frames, each uint8 RGB, (3, h, w)."""
        with _readable(self._path):
            pixels = torch.from_numpy(self._reader.get_batch([*places]).asnumpy())
        return list(rearrange(pixels, 'n h w c -> n c h w'))


class AvVideo:
    """A video file, read by PyAV.

    A frame is known by its time. Reading goes on where it was, or from the last frame
    before that can be decoded alone. Files whose packets have no times are read from
    the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._av = importlib.import_module('av')
        self._numbered = False  # a frame's time is its number
        with _readable(path):
            self._open()
            self._scan()
            self._open()

    @classmethod
    def count(cls, path: Path) -> int:
        """Return how many frames a file has, by its index where that holds them all."""
        with (
            _readable(path),
            importlib.import_module('av').open(str(path)) as container,
        ):
            stream = container.streams.best('video')
            # Only where the header counts frames does the index hold them all.
            if stream is not None and stream.frames and len(stream.index_entries):
                shown = [e for e in stream.index_entries if e.size and not e.is_discard]
                return len(shown)
        return len(cls(path))

    def __len__(self) -> int:
        return len(self._times)

    def frames(self, places: Sequence[int]) -> list[Tensor]:
        """Return some frames, each uint8 RGB, (3, h, w)."""
        with _readable(self._path):
            return [self._frame(place) for place in places]

    def _open(self) -> None:
        self._container = self._av.open(str(self._path))
        self._stream = self._container.streams.best('video')
        if self._stream is None:
            raise UnreadableImageError(str(self._path), 'it holds no video')
        self._stream.codec_context.thread_count = 1  # workers are one a core already
        self._start()

    def _start(self) -> None:
        self._decoder = enumerate(self._container.decode(self._stream))
        self._last: float = math.inf  # time of the last frame; so far nothing goes on

    def _scan(self) -> None:
        """Find the times of all frames, and of those that are decoded alone."""
        found = [
            (packet.pts, packet.is_keyframe)
            for packet in self._container.demux(self._stream)
            if packet.size and not packet.is_discard
        ]
        times = {time for time, _ in found}
        hidden = self._stream.codec_context.name in HIDDEN
        if hidden or None in times or len(times) < len(found):
            self._open()
            found = [
                (frame.pts, frame.key_frame)
                for frame in self._container.decode(self._stream)
            ]
            times = {time for time, _ in found}
            self._numbered = None in times or len(times) < len(found)
        if self._numbered:
            found = [(number, not number) for number in range(len(found))]
        found.sort()
        self._times = np.array([time for time, _ in found], np.int64)
        # Whatever the first says of itself, there is nothing before it.
        keys = [time for place, (time, key) in enumerate(found) if key or not place]
        self._keys = np.array(keys, np.int64)

    def _frame(self, place: int) -> Tensor:
        if not 0 <= place < len(self):
            raise UnreadableImageError(
                str(self._path),
                f'frame {place} is asked for, and {len(self)} are there',
            )
        time = self._times[place]
        key = self._keys[np.searchsorted(self._keys, time, side='right') - 1]
        if not key <= self._last < time:
            self._seek(int(key))
        frame = self._until(time)
        if frame is None and key > self._times[0]:  # it went too far
            self._seek(int(self._times[0]))
            frame = self._until(time)
        if frame is None:
            raise UnreadableImageError(str(self._path), f'there is no frame {place}')
        # Not on threads: a forked worker would wait for those of its parent for ever.
        pixels = torch.from_numpy(frame.to_ndarray(format='rgb24', threads=1))
        # Cameras that were held upright say so, and lay the picture on its side.
        turned = torch.rot90(pixels, round(frame.rotation / 90), (0, 1))
        return rearrange(turned, 'h w c -> c h w')

    def _seek(self, time: int) -> None:
        if time <= self._times[0]:
            self._open()
            return
        self._container.seek(time, stream=self._stream)
        self._start()

    def _until(self, time: int) -> Any:
        """Decode as far as a time; return its frame, None where there is none."""
        self._last = math.inf  # unless it ends well
        for number, frame in self._decoder:
            now = number if self._numbered else frame.pts
            if now is not None and now >= time:
                self._last = now
                return frame if now == time else None
        return None


READERS: dict[str, type[AvVideo | DecordVideo]] = dict(av=AvVideo, decord=DecordVideo)


def find_reader(name: str) -> type[AvVideo | DecordVideo]:
    """Return what reads video files.

    Args:
        name: 'av', 'decord', or 'auto', the first of these that is installed.

    Raises:
        ImportError: It is not installed.
    """
    names = list(READERS) if name == 'auto' else [name]
    for module in names:
        if importlib.util.find_spec(module):
            return READERS[module]
    raise ImportError(
        f'video files take {" or ".join(names)}, which is not installed: run `pip '
        "install 'vq[video]'`, or lay the frames of each video into a folder"
    )


class OpenVideos:
    """The videos that a process read last, kept open.

    Args:
        open_: Opens a file or folder.
    """

    def __init__(self, open_: Callable[[Path], Video]) -> None:
        self._open = open_
        self._of_process: dict[int, OrderedDict[Path, Video]] = {}

    def __getitem__(self, path: Path) -> Video:
        # A forked worker opens its own: of its parent's files it would move the place.
        videos = self._of_process.setdefault(os.getpid(), OrderedDict())
        if path not in videos:
            videos[path] = self._open(path)
            if len(videos) > OPEN:
                videos.popitem(last=False)
        videos.move_to_end(path)
        return videos[path]

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind when pickled for a worker."""
        return {**self.__dict__, '_of_process': {}}
