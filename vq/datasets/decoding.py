"""Picture files to uint8 RGB tensors, fast where it can be, equal to Pillow always.

An ordinary JPEG goes through simplejpeg, else OpenCV, whichever is installed; both give
Pillow's pixels bit for bit. Everything else takes Pillow's path: other formats, CMYK,
pictures that EXIF turns, and whatever the fast decoders complain about.
"""

import importlib
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor


def _optional(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


simplejpeg = _optional('simplejpeg')
cv2 = _optional('cv2') if simplejpeg is None else None

Pixels = NDArray[np.uint8]

JPEG_START, JPEG_END = b'\xff\xd8\xff', b'\xff\xd9'
DEEP_GREY = ('I;16', 'I;16L', 'I;16B', 'I;16N')  # Pillow's modes of 16 bits a pixel
DEEP_FORMATS = ('PNG', 'PPM')  # these are read as 32 bits ('I') but hold at most 16
ALPHA = ('RGBA', 'LA', 'PA', 'RGBa', 'La')


class UnreadableImageError(OSError):
    """A picture file is missing, broken, or of a kind that has no RGB meaning.

    Attributes:
        name: The file.
        reason: What is wrong with it.
    """

    def __init__(self, name: str, reason: str = '') -> None:
        super().__init__(name, reason)  # both, so that it can be pickled
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        # torch brings a worker's error to the main process as one text, the first
        # argument, which then holds name and reason already.
        return f'cannot read {self.name}: {self.reason}' if self.reason else self.name


def read_image(path: Path) -> Tensor:
    """Return the picture in a file: uint8 RGB, (3, h, w).

    Raises:
        UnreadableImageError: It is missing or broken; the file and reason are named.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(str(path), error.strerror or str(error)) from error
    return decode(data, name=str(path))


def decode(data: bytes, *, name: str) -> Tensor:
    """Return the picture in the bytes of a file: uint8 RGB, (3, h, w).

    The tensor is a view of pixels in (h, w, 3) order, on which resizing is fastest.

    Args:
        data: The whole file.
        name: What to call it in an error.

    Raises:
        UnreadableImageError: It is broken, truncated or not a picture.
    """
    pixels = _decode_jpeg(data) if data.startswith(JPEG_START) else None
    if pixels is None:
        pixels = decode_with_pillow(data, name=name)
    return rearrange(torch.from_numpy(pixels), 'h w c -> c h w')


def _decode_jpeg(data: bytes) -> Pixels | None:
    """Decode an ordinary JPEG; None where it is not one, or the decoder complains."""
    if b'Exif\0\0' in data or b'tiff:Orientation' in data:
        # May ask to be turned. Opening reads the header only.
        try:
            orientation = Image.open(io.BytesIO(data)).getexif().get(0x0112, 1)
        except Exception:  # a broken header; Pillow's path will say how
            return None
        if orientation != 1:
            return None
    if simplejpeg is not None:
        return _decode_with_simplejpeg(simplejpeg, data)
    return None if cv2 is None else _decode_with_opencv(cv2, data)


def _decode_with_simplejpeg(library: ModuleType, data: bytes) -> Pixels | None:
    try:
        _, _, colour_space, _ = library.decode_jpeg_header(data)
        if colour_space in ('CMYK', 'YCCK'):
            return None
        pixels: Pixels = library.decode_jpeg(data, colorspace='RGB')
    except ValueError:
        return None
    return pixels


def _decode_with_opencv(library: ModuleType, data: bytes) -> Pixels | None:
    # OpenCV is silent about a truncated file, and turns CMYK into RGB its own way.
    if JPEG_END not in data[-64:]:
        return None
    try:
        if Image.open(io.BytesIO(data)).mode not in ('RGB', 'L'):
            return None
    except Exception:  # a broken header; Pillow's path will say how
        return None
    flags = library.IMREAD_COLOR | library.IMREAD_IGNORE_ORIENTATION
    pixels = library.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        return None
    rgb: Pixels = library.cvtColor(pixels, library.COLOR_BGR2RGB)
    return rgb


def decode_with_pillow(data: bytes, *, name: str) -> Pixels:
    """Decode any picture file with Pillow: uint8 RGB, (h, w, 3).

    Raises:
        UnreadableImageError: It is broken, truncated or not a picture.
    """
    if not data:
        raise UnreadableImageError(name, 'the file is empty')
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            # Turning makes a copy, which forgets the format.
            turned = ImageOps.exif_transpose(image)
            return np.array(_to_rgb(turned, image.format))
    except UnidentifiedImageError:
        reason = 'it is no picture in a format that Pillow knows'
        raise UnreadableImageError(name, reason) from None
    except Exception as error:  # Pillow raises a dozen kinds on broken files
        raise UnreadableImageError(name, str(error) or repr(error)) from error


def _to_rgb(image: Image.Image, format_: str | None) -> Image.Image:
    """Return any picture as RGB, transparency laid on white."""
    deep = image.mode == 'I' and format_ in DEEP_FORMATS
    if deep or image.mode in DEEP_GREY:
        return _from_deep_grey(image)
    if image.mode in ('I', 'F'):
        raise ValueError(f'32-bit pixels (mode {image.mode}) have no agreed white')
    if image.mode in ALPHA or 'transparency' in image.info:
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        return Image.alpha_composite(white, image).convert('RGB')
    return image.convert('RGB')


def _from_deep_grey(image: Image.Image) -> Image.Image:
    # convert('RGB') would clip at 255. The high byte is what Pillow keeps of 16-bit
    # colours; it also is exact for 8-bit pictures stored as either p * 257 or p * 256.
    pixels = np.asarray(image).astype(np.int64)
    grey = (pixels >> 8).clip(0, 255).astype(np.uint8)
    transparent = image.info.get('transparency')
    if isinstance(transparent, int):
        grey[pixels == transparent] = 255
    return Image.fromarray(grey).convert('RGB')
