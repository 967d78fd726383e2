"""An extractor without weights, and statistics of its features, for fast tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tests.runs import job
from vq.datasets.base import ImageDataset
from vq.images import to_uint8
from vq.metrics.moments import Moments
from vq.metrics.protocol import Protocol, data_protocol
from vq.metrics.statistics import Statistics
from vq.models.extractors import Extractor, Features
from vq.registry import MODELS
from vq.runners import Validator

TRANSFORMS = [dict(type='Resize', size=8), dict(type='CenterCrop', size=8)]


@MODELS.register_module()
class Averages(Extractor):
    """Eight powers of averages over quarters of the picture; all twelve as its map.

    Args:
        weights: A file that is not there; empty: none is needed.
        power: Of the averages; another one makes another extractor.
        spatial: Whether there is a map.

    Attributes:
        batches: Lengths of the batches seen by all extractors since it was cleared.
    """

    dim = 8
    batches: ClassVar[list[int]] = []

    def __init__(
        self, *, weights: str = '', power: float = 2, spatial: bool = True
    ) -> None:
        super().__init__(weights=weights)
        self.power = power
        self.spatial_dim = 12 if spatial else 0
        self.network = nn.Identity()
        self.freeze()

    def load_pretrained(self) -> None:
        if self.weights:
            super().load_pretrained()

    def stamp(self) -> dict[str, str]:
        return super().stamp() | dict(resizer=f'quarters^{self.power}')

    def prepare(self, pixels: Tensor) -> Tensor:
        return pixels / 255

    def features(self, output: Any) -> Features:
        self.batches.append(len(output))
        averages = functional.adaptive_avg_pool2d(output, 2) ** self.power
        flat = rearrange(averages, 'b c h w -> b (c h w)')
        return Features(flat[:, :8], flat if self.spatial_dim else None)


AVERAGES = dict(type='Averages')
FID = dict(type='FIDMetric', extractor=AVERAGES)


def synthetic(length: int = 101) -> dict[str, Any]:
    """Return the config of a data set."""
    return dict(type='SyntheticDataset', length=length, size=12, transforms=TRANSFORMS)


def validator(folder: Path, **changes: Any) -> Validator:
    """Return a validator of `Toy`, with changes of its arguments."""
    return Validator(
        job=job(folder),
        **dict(
            dict(
                model=dict(type='Toy'),
                dataset=synthetic(),
                dataloader=dict(batch_size=7, num_workers=0),
                strategy=dict(type='DDPStrategy'),
            ),
            **changes,
        ),
    )


def seen(pixels: Tensor, **options: Any) -> Features:
    """Return the features of pictures (b, 3, h, w) in float32, whole in one batch."""
    return Averages(**options)(pixels)


def originals(dataset: ImageDataset) -> Tensor:
    """Return all pictures of a data set."""
    images = [dataset[i].original_image for i in range(len(dataset))]  # type: ignore[union-attr]
    return torch.stack(images)


@torch.no_grad()
def reconstructions(runner: Validator) -> Tensor:
    """Return all pictures as the model gives them back and as they would be saved."""
    images = originals(runner.dataset)
    output = runner.model.eval()(images / 127.5 - 1)
    return to_uint8(output.image)


def write_statistics(
    path: Path,
    dataset: ImageDataset,
    *,
    spatial: bool = True,
    changes: Mapping[str, Any] | None = None,
) -> Protocol:
    """Write statistics of a data set, with changes of the stamp; return the stamp."""
    images = originals(dataset)
    features = seen(images)
    moments = []
    for rows in (features.pooled, features.spatial):
        assert rows is not None
        moments.append(Moments(rows.shape[1]))
        moments[-1].update(rows)
    stamp: dict[str, Any] = dict(
        data_protocol(dataset).to_dict(), size='8x8', **Averages().stamp()
    )
    protocol = Protocol.from_dict(stamp | dict(changes or {}))
    inner = moments[1].gaussian() if spatial else None
    Statistics(protocol, moments[0].gaussian(), inner, features.pooled).save(path)
    return protocol


def double(features: Tensor | None) -> NDArray[np.float64]:
    """Return features for numpy."""
    assert features is not None
    return features.double().numpy()
