"""How images are sampled: guidance, temperature, and which tokens are left out."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Schedule = Literal['constant', 'linear', 'power']
SCHEDULES = ('constant', 'linear', 'power')
LEAST_TEMPERATURE = 1e-6  # float32 logits divided by much less are infinite


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings of a sampler; the same in validation and in `vq.generate`.

    Attributes:
        cfg: Scale s of classifier-free guidance (https://arxiv.org/abs/2207.12598):
            logits are null + s (conditional - null), hence s = 1 is none.
        cfg_schedule: How the scale grows with the token's place p in [0, 1]:
            'constant'; 'linear', 1 + (s - 1) p; or 'power',
            1 + (s - 1) (1 - cos(pi p^q)) / 2 (https://arxiv.org/abs/2303.14389).
        cfg_power: q of 'power'.
        cfg_tokens: Guide only the first so many tokens; None guides all.
        temperature: Logits are divided by it; 0 takes the likeliest token.
        top_k: Draw among the k likeliest tokens; None or 0: among all.
        top_p: Draw among the likeliest tokens that reach this probability together;
            None or 1: among all.

    Raises:
        ValueError: A setting is out of its range.
    """

    cfg: float = 1.0
    cfg_schedule: Schedule = 'constant'
    cfg_power: float = 2.75
    cfg_tokens: int | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if self.cfg_schedule not in SCHEDULES:
            raise ValueError(
                f'cfg_schedule must be one of {SCHEDULES}, got {self.cfg_schedule!r}'
            )
        for name in ('cfg', 'cfg_power', 'temperature'):
            value = getattr(self, name)
            if not isinstance(value, float | int) or not 0 <= value < math.inf:
                raise ValueError(f'{name} must be at least 0, got {value!r}')
        for name in ('top_k', 'cfg_tokens'):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= 0):
                raise ValueError(
                    f'{name} must be at least 0, and whole, or None, got {value!r}'
                )
        if 0 < self.temperature < LEAST_TEMPERATURE:
            raise ValueError(
                'temperature must be 0, which takes the likeliest token, or at least '
                f'{LEAST_TEMPERATURE:g}, got {self.temperature!r}'
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f'top_p must be in (0, 1], got {self.top_p!r}')
        # Two words for one thing: a record of samples compares them.
        object.__setattr__(self, 'top_k', self.top_k or None)
        object.__setattr__(self, 'top_p', None if self.top_p == 1 else self.top_p)

    def scales(self, length: int) -> list[float]:
        """Return the scale of guidance of each of `length` tokens."""
        guided = length if self.cfg_tokens is None else min(length, self.cfg_tokens)
        places = [i / max(1, length - 1) for i in range(guided)]
        grown = [self.cfg + (1 - self.cfg) * (1 - self._growth(p)) for p in places]
        return grown + [1.0] * (length - guided)

    def _growth(self, place: float) -> float:
        if self.cfg_schedule == 'linear':
            return place
        if self.cfg_schedule == 'power':
            return (1 - math.cos(math.pi * place**self.cfg_power)) / 2
        return 1.0


def guided(logits: Tensor, scale: Tensor | float) -> Tensor:
    """Mix logits (2 b, k), conditional ones first, to (b, k)."""
    conditional, null = logits.chunk(2)
    return null + (conditional - null) * scale


def filtered(logits: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Return logits by likelihood, and which tokens they are of.

    Args:
        logits: float32, (b, k), divided by the temperature.
        sampling: Its `top_k` and `top_p`.

    Returns:
        Descending logits, -inf where a token is left out, (b, m), and their tokens,
        (b, m), m being at most k. Where nothing is left out they are not sorted.
    """
    top_k, top_p = sampling.top_k or 0, sampling.top_p or 1.0
    number = logits.shape[-1]
    if not 0 < top_k < number and top_p == 1:
        return logits, torch.arange(number, device=logits.device).expand_as(logits)
    values, tokens = logits.topk(min(top_k, number) if top_k else number, dim=-1)
    if top_p < 1:
        probability = values.softmax(-1)
        before = probability.cumsum(-1) - probability
        # The token with which the sum passes top_p is still in.
        values = values.masked_fill(before > top_p, -torch.inf)
    return values, tokens


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Draw a token from each row of logits by the inverse of its distribution.

    Args:
        logits: float32, (b, k).
        uniform: A number in [0, 1) for each row, float64, (b,).
        sampling: Temperature and filters.

    Returns:
        int64, (b,).
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    values, tokens = filtered(logits / sampling.temperature, sampling)
    sums = values.softmax(-1).double().cumsum(-1)
    # Of the sum, which rounding makes other than 1, so that a last token of no
    # probability is never drawn.
    place = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)
    # Logits that are no numbers have no place; on a GPU they would end the process.
    return tokens.gather(-1, place.clamp(max=tokens.shape[-1] - 1))[:, 0]


def uniforms(seed: int, indices: Tensor | list[int], number: int) -> Tensor:
    """Return `number` random numbers in [0, 1) for each image, float64, (b, number).

    They depend on the seed and the image's index alone, hence not on the batch, on
    ranks, or on what was drawn before.
    """
    return torch.from_numpy(
        np.stack(
            [
                np.random.default_rng((seed, int(index))).random(number)
                for index in indices
            ]
        )
    )
