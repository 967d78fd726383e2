"""Codebook metrics: how many codes are used, and how evenly."""

from torch import Tensor, nn

from vq import distributed
from vq.metrics.base import Metric
from vq.models.quantizers.usage import codebook_statistics, count_tokens, no_counts
from vq.registry import METRICS
from vq.types import Batch, Reconstruction


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

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        if self._counts is None:
            self._counts = no_counts(self.codebook_size, self.device)
        count_tokens(reconstruction.quantized.tokens, self._counts)

    def compute(self) -> dict[str, float]:
        """Return usage, perplexity and entropy over all ranks.

        Raises:
            ValueError: There was no token, or there were tokens without a code.
        """
        counts = self._counts
        if counts is None:
            counts = no_counts(self.codebook_size, self.device)
        return codebook_statistics(distributed.sum_(counts))
