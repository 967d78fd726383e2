"""The editor: a model between pictures, latents and tokens, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vq import images
from vq.models.reconstructor import Reconstructor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A picture that is edited.

    Attributes:
        name: Its own.
        image: As the network sees it, uint8, (3, h, w).
        tokens: (h, w) or (h, w, g).
    """

    name: str
    image: Tensor
    tokens: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of its tokens."""
        height, width = self.tokens.shape[:2]
        return height, width


def names(files: Sequence[Path]) -> list[str]:
    """Name pictures by their files; of those of one name the second is x-2."""
    found: list[str] = []
    for file in files:
        name, number = file.stem, 1
        while name in found:
            number += 1
            name = f'{file.stem}-{number}'
        found.append(name)
    return found


class Editor:
    """Runs the parts of a reconstructor; what it returns lies on the CPU.

    Args:
        model: The reconstructor, in eval mode.
        device: Where it is.
        autocast: Returns the context in which it runs.
        batch_size: Images at a time.

    Raises:
        ValueError: The model makes no pictures, or `batch_size` is below 1.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        batch_size: int = 8,
    ) -> None:
        if not isinstance(model, Reconstructor):
            raise ValueError(
                f'a {type(model).__name__} makes no pictures of tokens: give a config '
                'with a pixel decoder, such as those of configs/vqgan or '
                'configs/decoder'
            )
        if batch_size < 1:
            raise ValueError(f'--batch-size must be at least 1, got {batch_size}')
        self.model = model
        self.device = device
        self.autocast = autocast
        self.batch_size = batch_size

    @property
    def token_sizes(self) -> tuple[int, ...]:
        """Vocabulary of each sub-token of a position."""
        return self.model.tokenizer.quantizer.token_sizes

    @property
    def groups(self) -> int:
        """Number of sub-tokens of a position."""
        return len(self.token_sizes)

    def look(self, name: str, image: Tensor) -> Picture:
        """Tokenize a picture, uint8, (3, h, w)."""
        return Picture(name=name, image=image, tokens=self.tokenize(image[None])[0])

    def tokenize(self, pictures: Tensor) -> Tensor:
        """Map pictures, uint8, (n, 3, H, W), to tokens (n, h, w, ...)."""
        return self._batches(self.model.tokenize, images.normalize(pictures))

    def encode(self, pictures: Tensor) -> Tensor:
        """Map pictures, uint8, (n, 3, H, W), to latents (n, in_dim, h, w)."""
        return self._batches(self.model.tokenizer.encode, images.normalize(pictures))

    def quantize(self, latent: Tensor) -> Tensor:
        """Map latents (n, in_dim, h, w) to tokens (n, h, w, ...)."""
        return self._batches(self.model.tokenizer.quantizer.latent_to_tokens, latent)

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, h, w, ...) to pictures, uint8, (n, 3, H, W)."""
        return images.to_uint8(self._batches(self.model.detokenize, tokens))

    def decode_unquantized(self, latent: Tensor) -> Tensor:
        """Map latents (n, in_dim, h, w), as they are, to pictures like `decode`'s.

        They are laid where the codes lie, on a sphere or in a box, but on no code. Of
        a quantizer that only scores codes they lie anywhere.

        Raises:
            ValueError: The codes have other channels than the latent.
        """
        quantizer = self.model.tokenizer.quantizer

        def decode(part: Tensor) -> Tensor:
            return self.model.decode(quantizer.project(part))

        if quantizer.in_dim != quantizer.dim:
            raise ValueError(
                f'--unquantized: latents have {quantizer.in_dim} channels before '
                f'the quantizer and {quantizer.dim} behind it, where the decoder takes '
                'them: leave it out'
            )
        return images.to_uint8(self._batches(decode, latent))

    @torch.no_grad()
    def _batches(self, function: Callable[[Tensor], Tensor], whole: Tensor) -> Tensor:
        with self.autocast():
            parts = [
                function(part.to(self.device)).cpu()
                for part in torch.split(whole, self.batch_size)
            ]
        return torch.cat(parts)
