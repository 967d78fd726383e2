"""Make small real data sets from the pictures inside scikit-learn and scikit-image.

    python tools/prepare_data.py digits    # 1,797 handwritten digits, 32 px
    python tools/prepare_data.py photos    # 64 px crops of nine photographs

Nothing is downloaded. A folder appears only when it is complete, so a second run keeps
it.
"""

import argparse
import importlib
import importlib.util
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from vq import paths

PIP = "pip install -e '.[demo]'"

DIGIT_SIZE = 32  # pixels, from 8
DIGIT_WHITE = 16  # scikit-learn's digits count dark pixels of 4x4 blocks
VAL_EVERY = 10  # of each class, the last of every ten digits is for validation

PHOTO_SIZE = 64  # pixels
PHOTO_SIDES = (128, 192, 256)  # shorter sides to which a photograph is scaled first
STRIDES = {'train': 16, 'val': 32}  # pixels from crop to crop
PHOTOS = {
    'astronaut': ('skimage', 'data/astronaut.png'),
    'chelsea': ('skimage', 'data/chelsea.png'),
    'china': ('sklearn', 'datasets/images/china.jpg'),
    'coffee': ('skimage', 'data/coffee.png'),
    'flower': ('sklearn', 'datasets/images/flower.jpg'),
    'hubble_deep_field': ('skimage', 'data/hubble_deep_field.jpg'),
    'immunohistochemistry': ('skimage', 'data/ihc.png'),
    'retina': ('skimage', 'data/retina.jpg'),
    'rocket': ('skimage', 'data/rocket.jpg'),
}
VAL_PHOTOS = ('chelsea', 'china')  # whole photographs that training never sees

_logger = logging.getLogger('prepare_data')

# What a data set is made of: split, class, picture, in the order of file numbers.
Item = tuple[str, str, Image.Image]


class MissingPackageError(ImportError):
    """A package that holds the pictures is not installed; says how to get it."""

    def __init__(self, package: str) -> None:
        super().__init__(f'{package} is not installed; run: {PIP}')


def digits() -> Iterator[Item]:
    """Yield the handwritten digits, as RGB pictures of 32 px."""
    try:
        datasets: ModuleType = importlib.import_module('sklearn.datasets')
    except ImportError:
        raise MissingPackageError('scikit-learn') from None
    data = datasets.load_digits()
    seen = [0] * 10
    for pixels, digit in zip(data.images, data.target, strict=True):
        seen[digit] += 1
        split = 'train' if seen[digit] % VAL_EVERY else 'val'
        grey = np.rint(pixels * 255 / DIGIT_WHITE).astype(np.uint8)
        image = Image.fromarray(grey).convert('RGB')
        size = (DIGIT_SIZE, DIGIT_SIZE)
        yield split, str(digit), image.resize(size, Image.Resampling.BICUBIC)


def photos() -> Iterator[Item]:
    """Yield 64 px crops of the photographs, on grids, at three scales."""
    files = {name: _find(*place) for name, place in PHOTOS.items()}
    for name, path in files.items():
        split = 'val' if name in VAL_PHOTOS else 'train'
        photo = Image.open(path).convert('RGB')
        for side in PHOTO_SIDES:
            scale = side / min(photo.size)
            size = (round(photo.width * scale), round(photo.height * scale))
            scaled = photo.resize(size, Image.Resampling.BICUBIC)
            for left, top in _corners(size, STRIDES[split]):
                box = (left, top, left + PHOTO_SIZE, top + PHOTO_SIZE)
                yield split, name, scaled.crop(box)


def _find(package: str, file: str) -> Path:
    """Return a file in an installed package, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingPackageError(f'scikit-{package.removeprefix("sk")}')
    return Path(spec.origin).parent / file


def _corners(size: tuple[int, int], stride: int) -> Iterator[tuple[int, int]]:
    for top in range(0, size[1] - PHOTO_SIZE + 1, stride):
        for left in range(0, size[0] - PHOTO_SIZE + 1, stride):
            yield left, top


def prepare(name: str, root: Path) -> Path:
    """Make the data set `name` in `root`, unless it is there.

    Returns:
        Its folder: {train,val}/CLASS/NNNN.png.
    """
    folder = root / name
    if folder.exists():
        _logger.info('%s is there already and is kept', folder)
        return folder
    unfinished = root / f'.{name}.tmp'  # of a run that was stopped
    shutil.rmtree(unfinished, ignore_errors=True)
    numbers: dict[Path, int] = {}
    for split, category, image in DATA_SETS[name]():
        below = unfinished / split / category
        if below not in numbers:
            _logger.info('writing %s/%s', split, category)
            below.mkdir(parents=True)
            numbers[below] = 0
        image.save(below / f'{numbers[below]:04d}.png')
        numbers[below] += 1
    unfinished.rename(folder)
    return folder


def summarize(folder: Path) -> None:
    """Log how many images of how many classes each split has."""
    for split in ('train', 'val'):
        classes = sorted((folder / split).iterdir())
        images = [len(list(path.glob('*.png'))) for path in classes]
        counts = ', '.join(
            f'{p.name} {n}' for p, n in zip(classes, images, strict=True)
        )
        _logger.info('%s/%s: %d images (%s)', folder.name, split, sum(images), counts)


DATA_SETS: dict[str, Callable[[], Iterator[Item]]] = {
    'digits': digits,
    'photos': photos,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog='prepare_data.py',
        description=f'Make a small real data set without a download. Needs: {PIP}',
    )
    parser.add_argument('name', choices=DATA_SETS, help='which data set')
    parser.add_argument(
        '--root', default='data', help='below the repository (default %(default)s)'
    )
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        folder = prepare(args.name, paths.resolve(args.root))
    except MissingPackageError as error:
        raise SystemExit(str(error)) from None
    summarize(folder)


if __name__ == '__main__':
    main()
