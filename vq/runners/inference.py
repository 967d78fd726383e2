"""One picture through a tokenizer: its tokens, and it beside its reconstruction."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vq import images
from vq.datasets.decoding import read_image
from vq.datasets.transforms import Transform
from vq.runners.base import Runner
from vq.types import Batch, Reconstruction

_logger = logging.getLogger(__name__)
SHOWN = 256  # pixels: smaller pictures are enlarged by a whole factor up to this


@torch.no_grad()
def infer(
    runner: Runner, picture: Path, *, transforms: Sequence[Transform], out: Path
) -> Reconstruction:
    """Tokenize and reconstruct one picture, and write STEM_tokens.npy and STEM.png.

    Args:
        runner: Holds the model, in evaluation mode.
        picture: The file.
        transforms: What is done to it first; none of them random.
        out: The folder to write to.

    Raises:
        ValueError: The network does not take a picture of this size.
    """
    image = read_image(picture)
    for transform in transforms:
        image = transform(image, np.random.default_rng(0))
    _check_size(runner, image, picture)
    batch = Batch(
        original_image=image[None],
        category=torch.zeros(1, dtype=torch.int64),
        index=torch.zeros(1, dtype=torch.int64),
        ids=[picture.name],
    ).to(runner.strategy.device)
    with runner.strategy.autocast():
        output: Reconstruction = runner.model.val_step(batch)  # type: ignore[operator]
    tokens = output.quantized.tokens[0].cpu().numpy()
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / f'{picture.stem}_tokens.npy', tokens)
    pair = images.side_by_side(
        image[None], images.to_uint8(output.image).cpu(), pairs=1
    )
    factor = max(1, SHOWN // image.shape[1])
    pair = images.enlarge(pair[None], factor)[0]
    images.save_png(pair, out / f'{picture.stem}.png')
    mse = (images.to_uint8(output.image).cpu().float() - image).square().mean() / 255**2
    _logger.info(
        '%s: %s tokens, PSNR %.2f dB, in %s',
        picture,
        'x'.join(map(str, tokens.shape)),
        float(-10 * torch.log10(mse.clamp(min=1e-10))),
        out / f'{picture.stem}.png',
    )
    return output


def _check_size(runner: Runner, image: Tensor, picture: Path) -> None:
    factor: int = runner.model.tokenizer.encoder.downscale  # type: ignore[union-attr, assignment]
    height, width = image.shape[1:]
    if height % factor or width % factor:
        raise ValueError(
            f'{picture} is {width}x{height}; the network takes sides that {factor} '
            'divides: leave --no-crop out, or cut the picture'
        )
