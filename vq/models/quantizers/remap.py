"""Tokens counted anew among the codes that are used (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vq import paths
from vq.models.quantizers.base import Quantizer, check_tokens
from vq.models.quantizers.gradients import straight_through
from vq.registry import MODELS
from vq.types import Quantized

Unknown = Literal['extra', 'random'] | int


@MODELS.register_module()
class RemappedQuantizer(Quantizer):
    """Lets tokens be positions in a list of used codes, as taming's `remap` does.

    A proposal network that learns the tokens of a collapsed codebook pays for its dead
    codes with each logit; listed are then the codes that a data set has used, as by
    `np.save('pretrained/used.npy', np.flatnonzero(counts))`. Weights of the quantizer
    without a list fit.

    The losses are those of the quantizer. Where a latent's code is not listed, the
    quantized latent is that of the token which stands for it.

    Args:
        quantizer: Config of the quantizer, of any family of one token a position.
        used: The codes that keep a token, in the order of the new tokens: a .npy file
            of integers, (m,), below the repository, or a list.
        unknown: What stands for all other codes: 'random' for one of the m tokens,
            drawn for each position and call; 'extra' for a token of their own, m, which
            is decoded to the first code of the list; an integer for that token.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The list is empty, has a code twice or one that does not exist;
            `unknown` is no token; the quantizer has sub-tokens.
    """

    used: Tensor
    positions: Tensor

    def __init__(
        self,
        *,
        quantizer: Mapping[str, Any],
        used: str | Path | Sequence[int],
        unknown: Unknown = 'random',
    ) -> None:
        inner: Quantizer = MODELS.build(quantizer)
        if len(inner.token_sizes) > 1:
            raise ValueError(
                f'{type(inner).__name__} has the sub-tokens {inner.token_sizes}; a '
                'list of codes is for one token a position: remap the quantizers inside'
            )
        codes = _read(used, inner.codebook_size)
        number = len(codes)
        _check_unknown(unknown, number)
        extra = unknown == 'extra'
        super().__init__(
            codebook_size=number + extra, dim=inner.dim, in_dim=inner.in_dim
        )
        self.quantizer = inner
        self.unknown = unknown
        self.learns_from_latent = inner.learns_from_latent
        self.advice = inner.advice
        # The config says what they are: a checkpoint without them is complete.
        listed = torch.from_numpy(np.append(codes, codes[:1]) if extra else codes)
        positions = torch.full((inner.codebook_size,), -1)
        positions[torch.from_numpy(codes)] = torch.arange(number)
        self.register_buffer('used', listed, persistent=False)
        self.register_buffer('positions', positions, persistent=False)

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize a latent (b, in_dim, h, w); see `Quantized` for what comes back."""
        result: Quantized = self.quantizer(latent)
        tokens, known = self._remap(result.tokens)
        listed = straight_through(result.latent, self.tokens_to_latent(tokens))
        return Quantized(
            latent=torch.where(known[:, None], result.latent, listed),
            tokens=tokens,
            losses=result.losses,
        )

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to tokens (b, h, w), int64."""
        return self._remap(self.quantizer.latent_to_tokens(latent))[0]

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        """Map tokens (b, h, w) to their quantized latent (b, d, h, w)."""
        check_tokens(tokens, self.token_sizes)
        return self.quantizer.tokens_to_latent(self.used[tokens])

    def project(self, latent: Tensor) -> Tensor:
        """Map a latent (b, in_dim, h, w) to where the codes lie."""
        return self.quantizer.project(latent)

    def rename_weights(
        self, weights: Mapping[str, Tensor], prefix: str
    ) -> dict[str, Tensor]:
        """Return weights of a model without a list under this model's names.

        Args:
            weights: State dict of a model.
            prefix: What the names of this module's weights begin with in it.
        """
        inside = f'{prefix}quantizer.'
        if any(key.startswith(inside) for key in weights):
            return dict(weights)
        return {
            inside + key.removeprefix(prefix) if key.startswith(prefix) else key: value
            for key, value in weights.items()
        }

    def _remap(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens of codes (b, h, w), and which of the codes are listed."""
        tokens = self.positions[codes]
        known = tokens >= 0
        if self.unknown == 'random':
            others = torch.randint_like(tokens, self.codebook_size)
            return torch.where(known, tokens, others), known
        other = self.codebook_size - 1 if self.unknown == 'extra' else int(self.unknown)
        return torch.where(known, tokens, other), known


def _read(
    used: str | Path | Sequence[int], codebook_size: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the listed codes, int64, (m,)."""
    name: Any = used
    if isinstance(used, str | Path):
        name = paths.resolve(used)
        if not name.is_file():
            raise FileNotFoundError(
                f'used={str(used)!r}: there is no file {name}; np.save makes one of '
                'the codes that a data set has used'
            )
        codes = np.load(name, allow_pickle=False)
    else:
        codes = np.asarray(used)
    if codes.ndim != 1 or not len(codes) or codes.dtype.kind not in 'iu':
        raise ValueError(
            f'used must be a row of integers, at least one, got {codes.dtype} of '
            f'shape {codes.shape} from {name}'
        )
    codes = np.array(codes, np.int64)
    if len(odd := codes[(codes < 0) | (codes >= codebook_size)]):
        raise ValueError(
            f'used must be codes in [0, {codebook_size}), got {odd[:3]} in {name}'
        )
    values, counts = np.unique(codes, return_counts=True)
    if len(twice := values[counts > 1]):
        raise ValueError(f'used must have each code once, got {twice[:3]} twice')
    return codes


def _check_unknown(unknown: Unknown, number: int) -> None:
    if unknown in ('extra', 'random'):
        return
    if not isinstance(unknown, int) or not 0 <= unknown < number:
        raise ValueError(
            f"unknown must be 'extra', 'random' or a token in [0, {number}), got "
            f'{unknown!r}'
        )
