"""Small videos that the data tests share: a window that moves over a photograph."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.pictures import photo

Frames = list[NDArray[np.uint8]]

# Each kind of file: its codec, pixels, and frames that later ones are told from.
CODECS: dict[str, tuple[str, str, dict[str, int]]] = {
    'lossless.mkv': ('ffv1', 'bgr0', dict(gop_size=4)),
    'h264.mp4': ('libx264', 'yuv420p', dict(gop_size=8, max_b_frames=3)),
    'h264.mkv': ('libx264', 'yuv420p', dict(gop_size=8, max_b_frames=3)),
    'mpeg4.avi': ('mpeg4', 'yuv420p', dict(gop_size=6)),
    'vp8.webm': ('libvpx', 'yuv420p', dict(gop_size=9)),
    'raw.h264.mpg': ('mpeg2video', 'yuv420p', dict(gop_size=5, max_b_frames=2)),
    'picture.gif': ('gif', 'rgb8', {}),
}


def moving(number: int, *, size: int = 16, start: int = 0) -> Frames:
    """Return frames of a window that moves, each uint8, (size, size, 3)."""
    pixels = np.asarray(photo('astronaut.png', size=(128, 128)))
    frames = []
    for step in range(start, start + number):
        top, left = step % 100, 3 * step % 97
        frames.append(pixels[top : top + size, left : left + size].copy())
    return frames


def write(path: Path, frames: Frames, *, kind: str = 'lossless.mkv') -> Path:
    """Write a video file as one of `CODECS`."""
    codec, pixels, options = CODECS[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream: Any = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width, _ = frames[0].shape
        stream.pix_fmt = pixels
        for name, value in options.items():
            setattr(stream.codec_context, name, value)
        if codec == 'libvpx':  # hides frames that others are told from
            stream.options = {'auto-alt-ref': '1', 'lag-in-frames': '8'}
        for pixels_ in frames:
            frame = av.VideoFrame.from_ndarray(pixels_, format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_folder(path: Path, frames: Frames) -> Path:
    """Write the frames as pictures frame0.png, frame1.png ... frame10.png."""
    path.mkdir(parents=True)
    for number, pixels in enumerate(frames):
        Image.fromarray(pixels).save(path / f'frame{number}.png')
    return path


def decoded(path: Path) -> Frames:
    """Return all frames of a file, decoded from its start."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
