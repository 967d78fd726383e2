"""Folders of samples that differ from a small data set more and more."""

from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from PIL import Image

from tests.metrics.pooled_pixels import EXTRACTOR, PooledPixels
from vq.config import Config
from vq.config.resolved import config_dict
from vq.metrics.moments import Moments
from vq.metrics.protocol import Protocol, data_protocol
from vq.metrics.statistics import Statistics
from vq.registry import DATASETS
from vq.sweeps import Point

DATA = dict(type='SyntheticDataset', length=12, size=16, transforms=[])
NUMBER = 12


def generated(type_: str, **arguments: Any) -> dict[str, Any]:
    metric = dict(type=type_, extractor=EXTRACTOR, **arguments)
    return dict(type='PartMetric', part='generated', metric=metric)


METRICS = dict(
    tokens=dict(type='TokenMetric'),
    gfid=generated('FIDMetric'),
    gis=generated('InceptionScoreMetric', splits=2),
    neighbours=generated('PrecisionRecallMetric'),
)


def config(root: Path, **metrics: Any) -> Config:
    """Return the config of a validator of DATA, whose model nobody builds."""
    validator = dict(
        type='Validator',
        model=dict(type='PassThrough'),
        dataset=DATA,
        dataloader=dict(batch_size=5, num_workers=0),
        strategy=dict(type='DDPStrategy'),
        metrics=METRICS | metrics,
    )
    return Config(config_dict(dict(validator=validator)), path=root / 'x.py')


def originals() -> torch.Tensor:
    """Return the pictures of the data set, uint8, (n, 3, h, w)."""
    dataset = DATASETS.build(DATA)
    return torch.stack([dataset.read(i) for i in range(len(dataset))])


def write_reference(root: Path, *, features: bool = True) -> None:
    """Write the statistics of the data set where they are looked for."""
    extractor = PooledPixels()
    extractor.load_pretrained()
    seen = extractor(originals())
    moments = Moments(seen.pooled.shape[1])
    moments.update(seen.pooled)
    stamp = data_protocol(DATASETS.build(DATA)).to_dict()
    stamp |= dict(size='16x16', **extractor.stamp())
    Statistics(
        Protocol.from_dict(stamp),
        moments.gaussian(),
        features=seen.pooled if features else None,
    ).save(root / 'pretrained' / 'fid' / 'small_val.safetensors')


def write_point(root: Path, noise: float) -> Point:
    """Write the pictures of the data set, tinted at random, in two class folders."""
    folder = root / f'noise{noise:g}'
    generator = torch.Generator().manual_seed(0)
    pixels = originals().float()
    pixels += noise * torch.randn(len(pixels), 3, 1, 1, generator=generator)
    for i, picture in enumerate(pixels.clamp(0, 255).to(torch.uint8)):
        path = folder / str(i % 2) / f'{i:06d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rearrange(picture, 'c h w -> h w c').numpy()).save(path)
    settings = dict(cfg=noise, temperature=1.0, top_k=None)
    return Point(settings=settings, folder=folder, number=NUMBER)
