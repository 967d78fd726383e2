"""What there is to see of a batch and of what a system made of it."""

from collections.abc import Collection

import torch
from einops import rearrange, reduce
from torch import Tensor
from torch.nn import functional

from vq.images import to_uint8
from vq.types import (
    Batch,
    Distillation,
    Output,
    Prediction,
    Quantized,
    Reconstruction,
)

PARTS = ('reconstruction', 'completed', 'generated')  # of a prediction
KINDS = ('image', *PARTS, 'target', 'features')
CHANNELS = 3  # principal components, shown as red, green and blue


def pictures(
    batch: Batch, output: Output | Quantized, *, kinds: Collection[str] = KINDS
) -> dict[str, Tensor]:
    """Return pictures by their kind, each uint8, (b, 3, H, W), of equal size.

    Features are shown as in the papers on self-supervised networks: the first three
    principal components of the teacher's, picture by picture, are red, green and blue.
    All have length 1 here, since systems learn the angles of features alone.

    Args:
        batch: The images.
        output: A reconstruction gives `image` and `reconstruction`; a distillation
            `image`, `target` (the teacher's features) and `features` (those told from
            the tokens), in the same colours; a prediction `image`, `reconstruction`,
            `completed` and `generated`; all else gives nothing. A batch of tokens has
            no `image`.
        kinds: Those that are wanted; of a prediction no others are made.
    """
    shown: dict[str, Tensor] = {}
    match output:
        case Reconstruction():
            shown = dict(reconstruction=to_uint8(output.image))
        case Distillation():
            both = coloured(
                *(functional.normalize(x) for x in (output.target, output.features))
            )
            size = batch.original_image.shape[-2:]
            target, features = (functional.interpolate(x, size) for x in both)
            shown = dict(target=target, features=features)
        case Prediction():
            wanted = [part for part in PARTS if part in kinds]
            shown = {part: to_uint8(output.part(part).image) for part in wanted}
        case _:
            return {}
    if batch.original_image.numel():
        shown = dict(image=batch.original_image) | shown
    return {kind: shown[kind] for kind in shown if kind in kinds}


def coloured(target: Tensor, *others: Tensor) -> list[Tensor]:
    """Show maps of features in the principal components of the first.

    Args:
        target: (b, c, h, w), with at least three channels.
        others: Of the same shape, drawn in the same colours.

    Returns:
        uint8, (b, 3, h, w), for each map.
    """
    rows = [rearrange(x.float(), 'b c h w -> b (h w) c') for x in (target, *others)]
    mean = reduce(rows[0], 'b n c -> b 1 c', 'mean')
    centred = rows[0] - mean
    # On the CPU: a GPU's solver may differ in its choice of signs.
    _, vectors = torch.linalg.eigh((centred.mT @ centred).cpu())
    axes = vectors[..., -CHANNELS:].flip(-1).to(rows[0].device)
    # The sign of a component means nothing: the largest weight is positive.
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = axes * largest.sign()
    shown = [(x - mean) @ axes for x in rows]
    low, high = shown[0].amin(1, keepdim=True), shown[0].amax(1, keepdim=True)
    height = target.shape[2]
    scaled = [2 * (x - low) / (high - low).clamp(min=1e-12) - 1 for x in shown]
    return [to_uint8(rearrange(x, 'b (h w) c -> b c h w', h=height)) for x in scaled]
