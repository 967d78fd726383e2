"""From what was asked for to a plan of draws."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import repeat
from torch import Tensor

from vq import dry_run
from vq.distributed import world_size
from vq.generation.draws import Draw, Plan, around, between, by_class, only

GREY = 128  # where nothing of a picture is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A picture some of whose tokens are kept.

    Attributes:
        name: Its own.
        image: As the network saw it, uint8, (3, h, w).
        reconstruction: Of all its tokens, uint8, (3, h, w).
        tokens: (h, w, ...).
    """

    name: str
    image: Tensor
    reconstruction: Tensor
    tokens: Tensor

    def kept(self, kept: Tensor) -> Tensor:
        """Return the reconstruction where tokens are kept (h, w), grey elsewhere."""
        height = self.image.shape[1] // kept.shape[0]
        width = self.image.shape[2] // kept.shape[1]
        seen = repeat(kept, 'h w -> (h y) (w x)', y=height, x=width)
        return torch.where(seen, self.reconstruction, GREY).to(torch.uint8)


def plan_classes(classes: Sequence[int], *, number: int) -> Plan:
    """Return a plan of samples of classes, in turn."""
    return _plan(by_class(classes, number), number, classes=[*classes])


def plan_way(first: int, second: int, *, steps: int, number: int) -> Plan:
    """Return a plan of ways from one class to another."""
    draws = between(first, second, steps=steps, number=number)
    return _plan(draws, number, interpolate=[first, second], steps=steps)


def plan_around(
    originals: Sequence[Original],
    kept: Tensor,
    classes: Sequence[int],
    *,
    number: int,
    **settings: Any,
) -> Plan:
    """Return a plan of samples that keep a part of real pictures.

    Args:
        originals: The pictures.
        kept: Which of their tokens are kept, bool, (h, w).
        classes: One for each picture, or one for all.
        number: Samples of each.
        settings: What the record says of the part.

    Raises:
        ValueError: There are neither one class nor as many as pictures.
    """
    if len(classes) not in (1, len(originals)):
        raise ValueError(
            f'--classes names {len(classes)} classes for {len(originals)} pictures: '
            'give one for all, or one each'
        )
    own = [*classes] * len(originals) if len(classes) == 1 else [*classes]
    draws: list[Draw] = []
    given: dict[str, Tensor] = {}
    for one, category in zip(originals, own, strict=True):
        known = only(one.tokens, kept)
        draws += around(one.name, known, category=category, number=number)
        given[f'{one.name}/original'] = one.image
        given[f'{one.name}/kept'] = one.kept(kept)
    pictures = {
        one.name: hashlib.sha256(one.image.numpy().tobytes()).hexdigest()
        for one in originals
    }
    return _plan(draws, number, given, classes=own, pictures=pictures, **settings)


def _plan(
    draws: list[Draw],
    number: int,
    given: dict[str, Tensor] | None = None,
    **settings: Any,
) -> Plan:
    if dry_run.enabled():
        draws = draws[: dry_run.SAMPLES * world_size()]
    return Plan(draws=draws, number=number, settings=settings, given=given or {})
