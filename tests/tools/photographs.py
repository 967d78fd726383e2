"""Photographs, their JPEGs, random Inceptions, and the tools that compare them."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from tests.models.extractors.weights import write_inception
from vq.pretrained import TABLE

SIZE = 96


def write_photographs(folder: Path, number: int) -> None:
    """Write crops of photographs below `real`, and the poorest JPEGs below `jpeg`."""
    photos = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    for kind in ('real', 'jpeg'):
        (folder / kind).mkdir(parents=True)
    for index in range(number):
        photo = photos[index % len(photos)]
        random = np.random.default_rng(index)
        top, left = (random.integers(side - SIZE) for side in photo.shape[:2])
        crop = Image.fromarray(photo[top : top + SIZE, left : left + SIZE])
        crop.save(folder / 'real' / f'{index:03d}.png')
        crop.save(folder / 'jpeg' / f'{index:03d}.jpg', quality=1)


def write_weights(folder: Path) -> None:
    """Write the same random Inception where either package's file is looked for."""
    files = [
        folder / 'pretrained' / TABLE[name].file
        for name in ('pytorch_fid/inception', 'inception/torch_fidelity')
    ]
    write_inception(files[0])
    files[1].parent.mkdir()
    shutil.copy(*files)


def run(tool: ModuleType, *words: Any) -> dict[str, Any]:
    """Run a tool with a command line that ends in its work dir; return its record."""
    *before, folder = map(str, words)
    tool.run(tool.parser().parse_args([*before, '--work-dir', folder]))
    return record(Path(folder))


def record(folder: Path) -> dict[str, Any]:
    """Return the last record of a work dir."""
    last = (folder / 'metrics.jsonl').read_text().splitlines()[-1]
    found: dict[str, Any] = json.loads(last)
    return found
