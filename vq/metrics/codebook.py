"""Codebook metrics: how many codes are used, and how evenly."""

import torch
from einops import rearrange
from torch import Tensor, nn

from vq import distributed
from vq.metrics.base import Metric
from vq.registry import METRICS
from vq.types import Batch, Reconstruction


def codebook_statistics(counts: Tensor) -> dict[str, float]:
    """Describe how often each code was chosen.

    Args:
        counts: int64, (k,).

    Returns:
        usage: Share of codes that were chosen at all, in [0, 1].
        entropy: Of the tokens' distribution, in nats; at most ln k.
        perplexity: exp(entropy): how many equally frequent codes would be as even.
    """
    probabilities = counts.double() / counts.sum()
    entropy = torch.special.entr(probabilities).sum()
    usage = (counts > 0).double().mean()
    return {
        'usage': usage.item(),
        'perplexity': entropy.exp().item(),
        'entropy': entropy.item(),
    }


@METRICS.register_module()
class CodebookMetric(Metric):
    """Usage, perplexity and entropy of the tokens of all images.

    What some code bases log as perplexity ("PPL") is the entropy here.

    Args:
        codebook_size: Number of codes k; None takes the model's.
    """

    def __init__(self, *, codebook_size: int | None = None) -> None:
        super().__init__()
        if codebook_size is not None and codebook_size < 1:
            raise ValueError(f'codebook_size must be >= 1, got {codebook_size}')
        self._codebook_size = codebook_size
        self._counts: Tensor | None = None

    def prepare(self, model: nn.Module) -> None:
        """Take the size of the model's codebook, unless one was given."""
        if self._codebook_size is None:
            self._codebook_size = int(model.tokenizer.quantizer.codebook_size)  # type: ignore[union-attr, arg-type]

    @property
    def codebook_size(self) -> int:
        """Number of codes k.

        Raises:
            ValueError: It was neither given nor learnt from a model.
        """
        if self._codebook_size is None:
            raise ValueError('CodebookMetric needs a codebook_size or a model')
        return self._codebook_size

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._counts = None

    def _zeros(self) -> Tensor:
        # The place after the last code counts tokens that have no code.
        return torch.zeros(
            self.codebook_size + 1, dtype=torch.int64, device=self.device
        )

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        if self._counts is None:
            self._counts = self._zeros()
        k = self.codebook_size
        tokens = rearrange(reconstruction.quantized.tokens, 'b h w -> (b h w)')
        tokens = tokens.long()
        # Counted and reported in `compute`: to raise here would wait for the device.
        tokens = torch.where((tokens < 0) | (tokens >= k), k, tokens)
        # Not bincount, which waits for the device too, to learn the largest token.
        self._counts.scatter_add_(0, tokens, torch.ones_like(tokens))

    def compute(self) -> dict[str, float]:
        """Return usage, perplexity and entropy over all ranks.

        Raises:
            ValueError: There was no token, or there were tokens without a code.
        """
        counts = self._zeros() if self._counts is None else self._counts
        counts = distributed.sum_(counts)
        strays = counts[-1]
        if strays:
            raise ValueError(
                f'{int(strays)} tokens lie outside of the codebook: they must be >= 0 '
                f'and < codebook_size={self.codebook_size}'
            )
        if not counts.any():
            raise ValueError('CodebookMetric saw no token')
        return codebook_statistics(counts[:-1])
