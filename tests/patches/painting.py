"""Pictures of noise, and a tokenizer whose tokens are the colours of their patches."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tests.runs import job
from vq.datasets import TokenDataset
from vq.datasets.base import ImageDataset
from vq.images import to_uint8
from vq.patches.sheets import PADDING
from vq.registry import DATASETS, MODELS, RUNNERS
from vq.types import Quantized


@DATASETS.register_module()
class NoiseDataset(ImageDataset):
    """Pictures of noise; it notes which are read.

    Args:
        length: Number of pictures.
        height: Of a picture, in pixels.
        width: Of a picture, in pixels.
        transforms: Configs of the transforms, in order.
    """

    def __init__(
        self,
        *,
        length: int,
        height: int,
        width: int,
        transforms: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(transforms=transforms)
        self.description = f'{length} pictures of noise'
        self.length, self.shape = length, (3, height, width)
        self.reads: list[int] = []

    def __len__(self) -> int:
        return self.length

    def read(self, index: int) -> Tensor:
        self.reads.append(index)
        rng = np.random.default_rng(index)
        # No white, which is what lies between patches.
        return torch.from_numpy(rng.integers(255, size=self.shape, dtype=np.uint8))

    def id(self, index: int) -> str:
        return f'{index}.png'


class PaintTokenizer(nn.Module):
    """Tokens are the first channels of each patch's upper left pixel."""

    def __init__(self, *, patch: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.patch, self.channels = patch, channels
        self.quantizer = nn.Identity()
        self.quantizer.token_sizes = (256,) * channels

    def forward(self, image: Tensor) -> Quantized:
        tokens = corners(rearrange(to_uint8(image), 'b c h w -> b h w c'), self.patch)
        tokens = tokens[..., : self.channels].long()
        return Quantized(image, tokens[..., 0] if self.channels == 1 else tokens)


def corners(pixels: Any, patch: tuple[int, int]) -> Any:
    """Return the upper left pixels of patches: (b, h y, w x, c) -> (b, h, w, c)."""
    return pixels[:, :: patch[0], :: patch[1]]


@MODELS.register_module()
class Painter(nn.Module):
    """A model that only tokenizes; see `PaintTokenizer`.

    Args:
        patch: Height and width of a patch.
        channels: Sub-tokens of a position, at most 3.
    """

    def __init__(self, *, patch: tuple[int, int], channels: int = 1) -> None:
        super().__init__()
        self.tokenizer = PaintTokenizer(patch=patch, channels=channels)


def tokenize(
    folder: Path,
    dataset: Mapping[str, Any],
    *,
    patch: tuple[int, int],
    channels: int = 1,
) -> TokenDataset:
    """Write tokens of a data set, as `vq.tasks.image_tokenization.tokenize` does."""
    runner = RUNNERS.build(
        dict(
            type='Tokenizer',
            model=dict(type='Painter', patch=patch, channels=channels),
            dataset=dataset,
            dataloader=dict(batch_size=3, num_workers=0),
            strategy=dict(type='DDPStrategy'),
            callbacks=[dict(type='TokenCallback', block_size=4)],
        ),
        job=job(folder),
    )
    runner.run()
    return TokenDataset(folder / 'tokens')


def patches_on(sheet: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the patches on a sheet: (n, h, w, 3)."""
    pixels = np.asarray(Image.open(sheet))
    h, w = size
    assert (pixels[:PADDING] == 255).all() and (pixels[:, :PADDING] == 255).all()
    rows, columns = (
        (side - PADDING) // (s + PADDING)
        for side, s in zip(pixels.shape[:2], size, strict=True)
    )
    cells = [
        pixels[y : y + h, x : x + w]
        for y in range(PADDING, rows * (h + PADDING) + PADDING, h + PADDING)
        for x in range(PADDING, columns * (w + PADDING) + PADDING, w + PADDING)
    ]
    return np.array([cell for cell in cells if (cell < 255).any()])
