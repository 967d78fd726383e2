"""Features that are averages of pixels, and validators that measure them."""

from pathlib import Path
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from tests.runs import job
from vq.images import to_uint8
from vq.metrics.frechet import Gaussian
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import Statistics
from vq.models.extractors import Extractor, Features
from vq.registry import MODELS
from vq.runners import Validator

DIM = 12
EXTRACTOR = dict(type='PooledPixels')


@MODELS.register_module()
class PooledPixels(Extractor):
    """Averages of 2 x 2 parts of an image, its logits too, and of 4 x 4, its map.

    Args:
        classes: Number of the logits; 0 has none.
    """

    dim = DIM
    spatial_dim = 48

    def __init__(self, *, classes: int = DIM) -> None:
        super().__init__(weights='none')
        self.classes = classes
        self.network = nn.Identity()
        self.freeze()

    def load_pretrained(self) -> None:
        self.sha256 = 'none'

    def prepare(self, pixels: Tensor) -> Tensor:
        return pixels / 32  # a power of two: all averages are exact

    def features(self, output: Tensor) -> Features:
        pooled = pool(output, 2)
        logits = pooled if self.classes else None
        return Features(pooled, spatial=pool(output, 4), logits=logits)


def pool(image: Tensor, parts: int) -> Tensor:
    """Return the averages of parts x parts parts: (b, 3, h, w) -> (b, 3 parts^2)."""
    cells = reduce(image, 'b c (i h) (j w) -> b c i j', 'mean', i=parts, j=parts)
    return rearrange(cells, 'b c i j -> b (c i j)')


def validator(folder: Path, length: int, **changes: Any) -> Validator:
    """Return a validator of as many pictures of 16 pixels, with metrics in changes.

    The pictures named by `broken` cannot be read.
    """
    broken = changes.pop('broken', ())
    arguments: dict[str, Any] = dict(
        job=job(folder),
        model=dict(type='Toy'),
        dataset=dict(type='SpottyDataset', length=length, broken=broken),
        dataloader=dict(batch_size=6, num_workers=0),
        strategy=dict(type='DDPStrategy'),
    )
    return Validator(**(arguments | changes))


def measure(folder: Path, length: int, changes: dict[str, Any]) -> dict[str, float]:
    """Return what a validator measures, on this rank."""
    return validator(folder, length, **changes).run()


def features_of(folder: Path, length: int, *, without: tuple[int, ...] = ()) -> Tensor:
    """Return the features of a validator's reconstructions, one by one: (n, 12)."""
    runner = validator(folder, length)
    found = []
    for index in range(length):
        if index not in without:
            sample = runner.dataset[index]
            image = sample.original_image[None] / 127.5 - 1
            with torch.no_grad():
                output = runner.model.eval()(image).image
            found.append(PooledPixels()(to_uint8(output)).pooled)
    return torch.cat(found)


def write_reference(path: Path, number: int, *, features: bool = True) -> Tensor:
    """Write statistics of random features near those of pictures; return them."""
    generator = torch.Generator().manual_seed(5)
    drawn = 4 + 0.4 * torch.randn(number, DIM, generator=generator)
    gaussian = Gaussian(drawn.double().mean(0), drawn.double().T.cov(), number)
    kept = drawn if features else None
    Statistics(Protocol(), gaussian, features=kept).save(path)
    return drawn
