"""How much faster than Pillow one core reads and augments JPEGs.

    python benchmarks/data_loading.py

Both ways run in turns on the same JPEGs of 500x375 pixels, cut from the photographs of
scikit-image and scikit-learn, so that the ratio holds on a busy machine as well.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from vq.datasets import decode
from vq.datasets.transforms import (
    CenterCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    Transform,
)

SIZE = 256  # pixels, of the network's input
JPEG_SIZE = (500, 375)  # pixels: ImageNet's most frequent
QUALITY = 90
JPEGS_PER_PHOTO = 6
PHOTOS = {
    'skimage': (
        'data/astronaut.png',
        'data/chelsea.png',
        'data/coffee.png',
        'data/hubble_deep_field.jpg',
        'data/rocket.jpg',
    ),
    'sklearn': ('datasets/images/china.jpg', 'datasets/images/flower.jpg'),
}
Way = Callable[[bytes, np.random.Generator], Tensor]


def make_jpegs() -> list[bytes]:
    """Return JPEGs cut at random from the photographs, always the same ones."""
    rng = np.random.default_rng(0)
    cut = RandomResizedCrop(size=SIZE, scale=(0.4, 1.0))
    jpegs = []
    for package, files in PHOTOS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(
                f"{package} is not installed; run: pip install -e '.[demo]'"
            )
        for file in files:
            photo = Image.open(Path(spec.origin).parent / file).convert('RGB')
            for _ in range(JPEGS_PER_PHOTO):
                top, left, h, w = cut.rectangle(photo.height, photo.width, rng)
                box = (left, top, left + w, top + h)
                stream = io.BytesIO()
                picture = photo.resize(JPEG_SIZE, Image.Resampling.LANCZOS, box=box)
                picture.save(stream, 'JPEG', quality=QUALITY)
                jpegs.append(stream.getvalue())
    return jpegs


def ours(transforms: Sequence[Transform]) -> Way:
    """Return our way: decode to a tensor, transform uint8 tensors."""

    def way(data: bytes, rng: np.random.Generator) -> Tensor:
        image = decode(data, name='jpeg')
        for transform in transforms:
            image = transform(image, rng)
        return image.contiguous()

    return way


def _to_tensor(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image))
    return rearrange(pixels, 'h w c -> c h w').contiguous()


def pillow_centre(data: bytes, rng: np.random.Generator) -> Tensor:
    """Resize and crop the centre with Pillow."""
    image = Image.open(io.BytesIO(data)).convert('RGB')
    scale = SIZE / min(image.size)
    size = (int(image.width * scale), int(image.height * scale))
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return _to_tensor(image.crop((left, top, left + SIZE, top + SIZE)))


def pillow_strong(data: bytes, rng: np.random.Generator) -> Tensor:
    """Cut a random rectangle, resize and flip with Pillow."""
    image = Image.open(io.BytesIO(data)).convert('RGB')
    cut = RandomResizedCrop(size=SIZE, scale=(0.8, 1.0))
    top, left, h, w = cut.rectangle(image.height, image.width, rng)
    image = image.crop((left, top, left + w, top + h))
    image = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _to_tensor(image)


def speed(way: Way, jpegs: Sequence[bytes]) -> float:
    """Return images a second of processor time, which waiting for a core leaves out."""
    rng = np.random.default_rng(0)
    start = time.process_time()
    for data in jpegs:
        way(data, rng)
    return len(jpegs) / (time.process_time() - start)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=7, help='(default %(default)s)')
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    jpegs = make_jpegs()
    strong: list[Transform] = [
        RandomResizedCrop(size=SIZE, scale=(0.8, 1.0)),
        RandomHorizontalFlip(),
    ]
    ways: dict[str, tuple[Way, Way]] = {
        'centre': (ours([Resize(size=SIZE), CenterCrop(size=SIZE)]), pillow_centre),
        'strong': (ours(strong), pillow_strong),
    }
    kilobytes = sum(map(len, jpegs)) / len(jpegs) / 1000
    print(f'{len(jpegs)} JPEGs of {kilobytes:.0f} kB, one thread, {rounds} rounds')
    print('transforms  ours img/s  Pillow img/s  ratio')
    for name, pair in ways.items():
        results = [[speed(way, jpegs) for way in pair] for _ in range(rounds + 1)]
        fast, slow = (statistics.median(r) for r in zip(*results[1:], strict=True))
        ratio = statistics.median(a / b for a, b in results[1:])
        print(f'{name:10}  {fast:10.0f}  {slow:12.0f}  {ratio:5.2f}')


if __name__ == '__main__':
    main()
