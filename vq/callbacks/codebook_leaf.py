"""One quantizer of a model, and what training chooses of its codes."""

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from vq.models.layers import at_least_float32, full_precision
from vq.models.quantizers import Quantizer
from vq.models.quantizers.usage import count_tokens, no_counts, places
from vq.types import Quantized


class Leaf:
    """A quantizer with no other inside, and what it chose: one codebook or several.

    Args:
        name: Of the module in its model.
        quantizer: To be watched.
        clock: Images seen by all ranks at the end of this iteration, int64, ().

    Attributes:
        counts: How often each code of a codebook was chosen in this window by this
            rank, a (k + 1,) for each codebook; see `vq.models.quantizers.usage`.
        last_used: What the clock showed when each code was last chosen, likewise.
        error: Sum of squared distances between latents and codes in this window, and of
            how many, float64, (2,).
        rows: Latents of this iteration where the codes lie, (b, n, d) for each pass.
        errors: Their squared distances from their codes, (b, n) for each pass.
    """

    def __init__(self, name: str, quantizer: Quantizer, clock: Tensor) -> None:
        self.name = name
        self.quantizer = quantizer
        self.clock = clock
        self.hold = False
        self.rows: list[Tensor] = []
        self.errors: list[Tensor] = []
        sizes, device = quantizer.token_sizes, clock.device
        self.counts = [no_counts(size, device) for size in sizes]
        self.last_used = [no_counts(size, device) for size in sizes]
        self.error = torch.zeros(2, dtype=torch.float64, device=device)

    def __str__(self) -> str:
        return f'{self.name} ({type(self.quantizer).__name__})'

    @torch.no_grad()
    def look(self, latent: Tensor, output: Quantized) -> None:
        """Take in one pass: a latent (b, in_dim, h, w) and what it became."""
        tokens = output.tokens
        groups = [tokens] if len(self.counts) == 1 else tokens.unbind(-1)
        for part, counts, last in zip(groups, self.counts, self.last_used, strict=True):
            count_tokens(part, counts)
            where = places(part, len(counts) - 1)
            last.scatter_(0, where, self.clock.expand(where.shape))
        with full_precision(latent):
            projected = self.quantizer.project(at_least_float32(latent.detach()))
            if projected.shape != output.latent.shape:
                return
            difference = projected - output.latent.detach()
            errors = reduce(difference.square(), 'b d h w -> b (h w)', 'sum')
        finite = errors.isfinite()
        self.error[0] += torch.where(finite, errors, 0).sum(dtype=torch.float64)
        self.error[1] += finite.sum()
        if self.hold:
            self.rows.append(rearrange(projected, 'b d h w -> b (h w) d'))
            self.errors.append(errors)

    def held(self, micro_batches: int) -> tuple[Tensor, Tensor]:
        """Return this iteration's finite latents (n, d) and their errors (n,).

        In the order of images, so that with those of the next ranks behind them they
        are as one rank would hold them, however often a pass called the quantizer.

        Args:
            micro_batches: Of an iteration.
        """
        if not self.rows:
            none = torch.zeros(0, self.quantizer.dim, device=self.clock.device)
            return none, none.sum(-1)
        rows, errors = (_by_image(x, micro_batches) for x in (self.rows, self.errors))
        finite = errors.isfinite()
        return rows[finite], errors[finite]

    def state_dict(self) -> dict[str, Any]:
        """Return this rank's counts and ages."""
        return dict(
            counts=[counts.cpu() for counts in self.counts],
            last_used=[last.cpu() for last in self.last_used],
            error=self.error.cpu(),
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Go on from a saved state, if it fits; return whether it does."""
        fits = [len(c) for c in state['counts']] == [len(c) for c in self.counts]
        if fits:
            device = self.clock.device
            self.counts = [counts.to(device) for counts in state['counts']]
            self.last_used = [last.to(device) for last in state['last_used']]
            self.error = state['error'].to(device)
        return fits


def leaves(model: nn.Module) -> dict[str, Quantizer]:
    """Return the quantizers with no quantizer inside, by name, each once."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, Quantizer)}
    return {
        name: quantizer
        for name, quantizer in found.items()
        if sum(isinstance(m, Quantizer) for m in quantizer.modules()) == 1
    }


def _by_image(passes: list[Tensor], micro_batches: int) -> Tensor:
    """Put passes (b, n, ...) of some micro-batches behind one another, (m, ...)."""
    calls, rest = divmod(len(passes), micro_batches)
    if rest or len({len(part) for part in passes}) > 1:
        calls = 1  # no order that would depend on nothing but the images
    images = [
        torch.cat(passes[start : start + calls], dim=1)
        for start in range(0, len(passes), calls)
    ]
    return torch.cat([rearrange(part, 'b n ... -> (b n) ...') for part in images])
