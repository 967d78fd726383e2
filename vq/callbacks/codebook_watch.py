"""What training chooses of each codebook of a model, watched from outside."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from vq import distributed
from vq.callbacks.codebook_leaf import Leaf, leaves
from vq.models.quantizers import Quantizer, VectorQuantizer
from vq.models.quantizers.usage import COUNTABLE
from vq.types import Quantized

_logger = logging.getLogger(__name__)


class CodebookDriftError(RuntimeError):
    """The ranks of a run have come to hold different codebooks."""


@dataclass(slots=True)
class Window:
    """What one codebook went through in a window, over all ranks.

    Attributes:
        leaf: Whose codebook it is.
        group: Which of the leaf's codebooks.
        counts: How often each code was chosen, int64, (k + 1,).
        ages: Images seen since each code was last chosen, int64, (k,).
        error: Mean squared distance between latents and their codes, summed over
            channels; None where the two cannot be compared.
    """

    leaf: Leaf
    group: int
    counts: Tensor
    ages: Tensor
    error: float | None


class CodebookWatch:
    """Counts, for each codebook of a model, what training chooses.

    Every quantizer without another one inside is watched by a forward hook; what one
    that is called several times a pass chooses adds up, and each vocabulary of one with
    sub-tokens is a codebook of its own. Passes that are not there to learn from, in
    evaluation or without gradients, do not count. An iteration ends with `advance`.
    """

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.images = 0  # of all ranks, before this iteration
        self._batch_size = 0
        self._clock = torch.zeros((), dtype=torch.int64)
        self._handles: list[RemovableHandle] = []
        self._resumed: Mapping[str, Any] = {}

    def open(self, model: nn.Module, *, batch_size: int, device: torch.device) -> None:
        """Begin to watch, or go on from the state that was loaded.

        Args:
            model: Whose quantizers.
            batch_size: Images an iteration, of all ranks.
            device: Where counts are kept.
        """
        self._batch_size = batch_size
        self._clock = torch.tensor(self.images + batch_size, device=device)
        self.leaves = [
            Leaf(name, quantizer, self._clock)
            for name, quantizer in leaves(model).items()
            if _countable(name, quantizer)
        ]
        for leaf in self.leaves:
            state = self._resumed.get(leaf.name)
            if state is not None and not leaf.load_state_dict(state):
                _logger.warning('%s has another size: its counts start anew', leaf)
            handle = leaf.quantizer.register_forward_hook(_hook(leaf))
            self._handles.append(handle)

    def close(self) -> None:
        """Leave the quantizers alone; what was counted stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def hold(self, held: bool) -> None:
        """Say whether the coming iteration's latents are kept until its end."""
        for leaf in self.leaves:
            leaf.hold = held

    def advance(self) -> None:
        """End an iteration: forget its latents."""
        self.images += self._batch_size
        self._clock += self._batch_size
        for leaf in self.leaves:
            leaf.hold = False
            leaf.rows.clear()
            leaf.errors.clear()

    @torch.no_grad()
    def end_window(self, iteration: int) -> list[Window]:
        """Return each codebook's window, over all ranks, and begin another.

        In two reductions for all codebooks together; every rank must call it.

        Raises:
            CodebookDriftError: The ranks hold different codebooks.
        """
        counts = [counts for leaf in self.leaves for counts in leaf.counts]
        errors = [leaf.error for leaf in self.leaves]
        last = [last for leaf in self.leaves for last in leaf.last_used]
        checksums = [checksum(leaf.quantizer) for leaf in self.leaves]
        sums = _together(distributed.sum_, [c.double() for c in counts] + errors)
        twice = [torch.stack([c, ~c]).to(self._clock.device) for c in checksums]
        largest = _together(distributed.max_, last + twice)
        for leaf, pair in zip(self.leaves, largest[len(last) :], strict=True):
            if int(pair[0]) != ~int(pair[1]):
                raise CodebookDriftError(
                    f'at iteration {iteration} the ranks hold different codebooks in '
                    f'{leaf}: something moves it on one rank alone. Resume from an '
                    'older checkpoint once every change is made on all ranks alike'
                )
        windows, number = [], 0
        for leaf, error in zip(self.leaves, sums[len(counts) :], strict=True):
            mean = float(error[0] / error[1]) if error[1] else None
            for group in range(len(leaf.counts)):
                leaf.last_used[group].copy_(largest[number])
                ages = (self._clock - largest[number])[:-1]
                window = Window(leaf, group, sums[number].long(), ages, mean)
                windows.append(window)
                leaf.counts[group].zero_()
                number += 1
            leaf.error.zero_()
        return windows

    def state_dict(self) -> dict[str, Any]:
        """Return what this rank has counted."""
        own = {leaf.name: leaf.state_dict() for leaf in self.leaves}
        return dict(images=self.images, leaves=own)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, at the next `open`."""
        self.images, self._resumed = state['images'], state['leaves']


def checksum(quantizer: Quantizer) -> Tensor:
    """Return a number that tells codebooks apart, int64, (); 0 if none is learnt.

    It is exact: whatever the order of summing, equal bits give equal numbers.
    """
    if not isinstance(quantizer, VectorQuantizer):
        return torch.tensor(0)
    codes = quantizer.codes().detach().contiguous()
    bits = codes.view(torch.int64 if codes.dtype == torch.float64 else torch.int32)
    total = codes.new_zeros((), dtype=torch.int64)
    for axis in (0, 1):
        sums = bits.sum(axis, dtype=torch.int64)
        odd = 2 * torch.arange(len(sums), device=sums.device) + 1
        total += (sums * odd).sum()
    return total


def _hook(leaf: Leaf) -> Any:
    # Not compiled with the quantizer: its graph ends here anyway, and would be made
    # anew whenever something changes that a hook looks at.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def look(module: nn.Module, inputs: tuple[Tensor], output: Quantized) -> None:
        if module.training and torch.is_grad_enabled():
            leaf.look(inputs[0], output)

    return look


def _countable(name: str, quantizer: Quantizer) -> bool:
    largest = max(quantizer.token_sizes)
    if largest > COUNTABLE:
        _logger.warning('%s is not watched: %d codes are too many', name, largest)
    return largest <= COUNTABLE


def _together(reduction: Any, tensors: list[Tensor]) -> list[Tensor]:
    """Reduce vectors of one dtype over ranks, in one go."""
    if not tensors:
        return []
    whole = reduction(torch.cat(tensors))
    return list(whole.split([len(tensor) for tensor in tensors]))
