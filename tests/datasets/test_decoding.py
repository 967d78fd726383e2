"""Every way of decoding equals Pillow; broken files say so."""

import importlib
import io
import pickle
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.pictures import encode, noise, photo, to_tensor
from vq.datasets import UnreadableImageError, decode, decoding, read_image

DECODERS = ('simplejpeg', 'cv2', 'pillow')


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Leave one JPEG decoder, as if the others were not installed."""
    for name in DECODERS[:2]:
        chosen = importlib.import_module(name) if name == request.param else None
        monkeypatch.setattr(decoding, name, chosen)
    return str(request.param)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
@pytest.mark.parametrize(
    'options',
    [dict(quality=90), dict(quality=40, subsampling=0), dict(progressive=True)],
)
def test_jpeg_equals_pillow(decoder: str, mode: str, options: dict[str, int]) -> None:
    image = photo(size=(201, 135)).convert(mode)
    data = encode(image, 'JPEG', **options)
    expected = to_tensor(Image.open(_stream(data)))
    assert torch.equal(decode(data, name='x'), expected)


@pytest.mark.parametrize('decoder', DECODERS[:2], indirect=True)
def test_fast_decoders_are_used_where_they_can_be(decoder: str) -> None:
    colour = photo(size=(64, 48))
    assert decoding._decode_jpeg(encode(colour, 'JPEG')) is not None
    assert decoding._decode_jpeg(encode(colour.convert('L'), 'JPEG')) is not None
    assert decoding._decode_jpeg(encode(colour.convert('CMYK'), 'JPEG')) is None


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_orientation_is_applied(decoder: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photo(size=(64, 48))
    turn = {  # the EXIF standard: what brings the stored picture upright
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.ROTATE_270, Image.Transpose.FLIP_LEFT_RIGHT],
        6: [Image.Transpose.ROTATE_270],
        7: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT],
        8: [Image.Transpose.ROTATE_90],
    }[orientation]
    data = encode(image, 'JPEG', exif=exif)
    expected = Image.open(_stream(data)).convert('RGB')
    for step in turn:
        expected = expected.transpose(step)
    assert torch.equal(decode(data, name='x'), to_tensor(expected))
    png = encode(image, 'PNG', exif=exif)
    assert decode(png, name='x').shape == to_tensor(expected).shape


@pytest.mark.parametrize('format_', ['PNG', 'BMP', 'TIFF', 'WEBP'])
def test_lossless_formats_come_back_exactly(format_: str) -> None:
    image = Image.fromarray(noise(13, 17))
    options = {'lossless': True} if format_ == 'WEBP' else {}
    data = encode(image, format_, **options)
    assert torch.equal(decode(data, name='x'), to_tensor(image))


def _on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.rint(colour * share + 255 * (1 - share)).astype(int)


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
@pytest.mark.parametrize('format_', ['PNG', 'TIFF'])
def test_alpha_is_laid_on_white(mode: str, format_: str) -> None:
    image = photo(size=(40, 30)).convert(mode)
    alpha = noise(30, 40)[..., 0]
    image.putalpha(Image.fromarray(alpha))
    decoded = decode(encode(image, format_), name='x').numpy().transpose(1, 2, 0)
    expected = _on_white(np.array(image.convert('RGBA'))[..., :3], alpha)
    assert np.abs(decoded.astype(int) - expected).max() <= 1


def test_transparent_palette_colour_becomes_white() -> None:
    image = Image.new('P', (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    decoded = decode(encode(image, 'PNG', transparency=1), name='x')
    assert decoded[:, 0].T.tolist() == [[10, 20, 30], [255] * 3, [70, 80, 90]]
    decoded = decode(encode(image, 'PNG'), name='x')
    assert decoded[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]


@pytest.mark.parametrize('format_', ['PNG', 'TIFF'])
@pytest.mark.parametrize('factor', [256, 257])
def test_16_bit_grey_is_scaled_not_clipped(format_: str, factor: int) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    data = encode(Image.fromarray(grey * np.uint16(factor)), format_)
    assert torch.equal(decode(data, name='x')[1], torch.tensor(grey.astype(np.uint8)))


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_16_bit_colour_is_scaled_not_clipped(suffix: str) -> None:
    cv2 = importlib.import_module('cv2')
    colour = noise(9, 7)
    deep = colour[..., ::-1].astype(np.uint16) * 257
    data = cv2.imencode(suffix, deep)[1].tobytes()
    assert torch.equal(decode(data, name='x'), to_tensor(Image.fromarray(colour)))


def test_16_bit_transparent_grey_becomes_white() -> None:
    grey = np.array([[0, 1000, 65535]], np.uint16)
    # Pillow writes no such file: a tRNS chunk is put before the pixels by hand.
    data = encode(Image.fromarray(grey), 'PNG')
    chunk = b'tRNS' + (1000).to_bytes(2, 'big')
    crc = zlib.crc32(chunk).to_bytes(4, 'big')
    place = data.index(b'IDAT') - 4
    data = data[:place] + (2).to_bytes(4, 'big') + chunk + crc + data[place:]
    assert decode(data, name='x')[0].tolist() == [[0, 255, 255]]


def test_float_pixels_are_refused() -> None:
    data = encode(Image.fromarray(np.ones((2, 2), np.float32)), 'TIFF')
    with pytest.raises(UnreadableImageError, match='no agreed white'):
        decode(data, name='x')


@pytest.mark.parametrize('format_', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_truncated_files_are_named(
    decoder: str, format_: str, share: float, tmp_path: Path
) -> None:
    data = encode(photo(size=(64, 48)), format_)
    path = tmp_path / 'cat.img'
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UnreadableImageError, match=r'cannot read .*cat\.img: \w+'):
        read_image(path)


@pytest.mark.parametrize(
    ('data', 'reason'), [(b'', 'empty'), (b'hello' * 99, 'no picture')]
)
def test_what_is_no_picture_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=f'cannot read a/b.jpg: .*{reason}'):
        decode(data, name='a/b.jpg')


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r'gone\.png: No such file'):
        read_image(tmp_path / 'gone.png')


def test_error_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(UnreadableImageError('a.png', 'broken')))
    assert (error.name, error.reason) == ('a.png', 'broken')
    assert str(error) == 'cannot read a.png: broken'


def _stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
