"""One picture through a tokenizer: its tokens, and it beside its reconstruction."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vq import images
from vq.config import Config, apply_overrides
from vq.datasets.decoding import read_image
from vq.datasets.transforms import Transform
from vq.pictures import pictures
from vq.registry import TRANSFORMS
from vq.runners.base import Runner
from vq.types import Batch, Output, Reconstruction

_logger = logging.getLogger(__name__)
SHOWN = 256  # pixels: smaller pictures are enlarged by a whole factor up to this


def check_names(pictures: Sequence[Path]) -> None:
    """Refuse pictures that would overwrite each other's results.

    Args:
        pictures: The files that will be given to `infer`, with one folder for all.

    Raises:
        ValueError: Two have the same name.
    """
    first: dict[str, Path] = {}
    for picture in pictures:
        other = first.setdefault(picture.stem, picture)
        if other != picture:
            raise ValueError(
                f'{other} and {picture} would both become {picture.stem}.png; give '
                'them in two commands, each with a folder of its own: --out DIR'
            )


def prepare(
    config: Config,
    *,
    crop: bool,
    ema: bool,
    dataset: Mapping[str, Any] | None = None,
) -> list[Transform]:
    """Make a config's validator one of single pictures; return what is done to them.

    Args:
        config: The config; it is changed.
        crop: Whether pictures go through the transforms of validation.
        ema: Whether averaged weights are loaded.
        dataset: Config of a data set for the runner, if it is to have one.
    """
    recipe = config.validator.dataset.transforms if crop else ()
    transforms = [TRANSFORMS.build(transform) for transform in recipe]
    # A runner needs a data set. Nothing is measured on it.
    stand_in = dict(type='SyntheticDataset', length=1, transforms=[])
    apply_overrides(config, {'.validator.dataset': dataset or stand_in})
    apply_overrides(config, {'.validator.metrics': {}})
    if ema:
        apply_overrides(config, {'.validator.ema': True})
    return transforms


def read(runner: Runner, picture: Path, *, transforms: Sequence[Transform]) -> Tensor:
    """Return a picture as the network sees it, uint8, (3, h, w).

    Args:
        runner: Holds the model.
        picture: The file.
        transforms: What is done to it; none of them random.

    Raises:
        ValueError: The network does not take a picture of this size.
    """
    image = read_image(picture)
    for transform in transforms:
        image = transform(image, np.random.default_rng(0))
    _check_size(runner, image, picture)
    return image


@torch.no_grad()
def infer(
    runner: Runner, picture: Path, *, transforms: Sequence[Transform], out: Path
) -> Output:
    """Tokenize one picture, and write STEM_tokens.npy and STEM.png.

    STEM.png is the picture beside its reconstruction or, of a system without a pixel
    decoder, beside its teacher's features and those told from the tokens.

    Args:
        runner: Holds the model, in evaluation mode.
        picture: The file.
        transforms: What is done to it first; none of them random.
        out: The folder to write to.

    Raises:
        ValueError: The network does not take a picture of this size.
    """
    image = read(runner, picture, transforms=transforms)
    batch = Batch(
        original_image=image[None],
        category=torch.zeros(1, dtype=torch.int64),
        index=torch.zeros(1, dtype=torch.int64),
        ids=[picture.name],
    ).to(runner.strategy.device)
    with runner.strategy.autocast():
        output: Output = runner.model.val_step(batch)  # type: ignore[operator]
    tokens = output.quantized.tokens[0].cpu().numpy()
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / f'{picture.stem}_tokens.npy', tokens)
    shown = pictures(batch, output)
    if shown:
        sheet = images.grid(images.side_by_side(*shown.values()), columns=1)
        factor = max(1, SHOWN // image.shape[1])
        enlarged = images.enlarge(sheet[None], factor)[0]
        images.save_png(enlarged, out / f'{picture.stem}.png')
    _logger.info(
        '%s: %s tokens%s, in %s',
        picture,
        'x'.join(map(str, tokens.shape)),
        _quality(output, image),
        out / f'{picture.stem}.png' if shown else out,
    )
    return output


def _quality(output: Output, image: Tensor) -> str:
    """Tell how near a reconstruction is to the image, uint8, (3, h, w)."""
    if not isinstance(output, Reconstruction):
        return ''
    pixels = images.to_uint8(output.image).cpu().float()
    mse = (pixels - image).square().mean() / 255**2
    return f', PSNR {float(-10 * torch.log10(mse.clamp(min=1e-10))):.2f} dB'


def _check_size(runner: Runner, image: Tensor, picture: Path) -> None:
    factor: int | None = runner.model.tokenizer.encoder.downscale  # type: ignore[union-attr, assignment]
    height, width = image.shape[1:]
    if factor is not None and (height % factor or width % factor):
        raise ValueError(
            f'{picture} is {width}x{height}; the network takes sides that {factor} '
            'divides: leave --no-crop out, or cut the picture'
        )
