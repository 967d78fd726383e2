"""Codebook metrics: how many codes are used, and how evenly."""

import logging
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from vq import distributed
from vq.metrics.base import Measured, Metric
from vq.models.quantizers.usage import (
    COUNTABLE,
    codebook_statistics,
    count_tokens,
    joint_tokens,
    no_counts,
)
from vq.registry import METRICS
from vq.types import Batch, Reconstruction

_logger = logging.getLogger(__name__)


@METRICS.register_module()
class CodebookMetric(Metric):
    """Usage, perplexity and entropy of the tokens of all images.

    Of g sub-tokens a position each has its own `usage_0`, `perplexity_0`, `entropy_0`,
    `usage_1` ...; without a number they are those of the joint code. All are exact, by
    counting each code: those of a vocabulary of more than 2^24, the joint one or a
    sub-token's, are left out.

    What some code bases log as perplexity ("PPL") is the entropy here.

    Args:
        codebook_size: Number of codes k, for one token a position; None takes the
            model's.
        token_sizes: Vocabulary of each sub-token instead; None takes the model's.

    Raises:
        ValueError: A size is below 1, or both are given.
    """

    def __init__(
        self,
        *,
        codebook_size: int | None = None,
        token_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if codebook_size is not None and token_sizes is not None:
            raise ValueError(
                f'give codebook_size={codebook_size} for one token a position, or '
                f'token_sizes={tuple(token_sizes)}, not both'
            )
        if codebook_size is not None:
            token_sizes = (codebook_size,)
        if token_sizes is not None and (not token_sizes or min(token_sizes) < 1):
            sizes = ', '.join(map(str, token_sizes))
            raise ValueError(f'the size of a codebook must be >= 1, got {sizes}')
        self._token_sizes = None if token_sizes is None else tuple(token_sizes)
        self._counts: dict[str, Tensor] | None = None

    def prepare(self, runner: Measured) -> None:
        """Take the sizes of the model's codebook, unless some were given."""
        if self._token_sizes is None:
            self._token_sizes = tuple(runner.model.tokenizer.quantizer.token_sizes)  # type: ignore[union-attr, arg-type]
        for suffix, size in self._sizes().items():
            if size > COUNTABLE:
                _logger.warning(
                    'usage%s, perplexity%s and entropy%s are left out: %d codes are '
                    'too many to count',
                    *(suffix, suffix, suffix, size),
                )

    def protocol(self) -> dict[str, Any]:
        """Return the sizes of the codebook and the unit of the entropy."""
        return dict(token_sizes=list(self.token_sizes), entropy='nats')

    @property
    def token_sizes(self) -> tuple[int, ...]:
        """Vocabulary of each sub-token.

        Raises:
            ValueError: It was neither given nor learnt from a model.
        """
        if self._token_sizes is None:
            raise ValueError('CodebookMetric needs a codebook_size or a model')
        return self._token_sizes

    def _sizes(self) -> dict[str, int]:
        """Return each vocabulary's size, by the suffix of its scalars' names."""
        sizes = self.token_sizes
        groups = {f'_{group}': size for group, size in enumerate(sizes)}
        return {'': math.prod(sizes)} | (groups if len(sizes) > 1 else {})

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._counts = None

    def _no_counts(self) -> dict[str, Tensor]:
        sizes = {key: size for key, size in self._sizes().items() if size <= COUNTABLE}
        return {key: no_counts(size, self.device) for key, size in sizes.items()}

    def _update(self, batch: Batch, reconstruction: Reconstruction) -> None:
        tokens, sizes = reconstruction.quantized.tokens, self.token_sizes
        if tokens.shape[3:] != (() if len(sizes) == 1 else (len(sizes),)):
            raise ValueError(
                f'tokens of shape {tuple(tokens.shape)} do not fit token_sizes={sizes}'
            )
        if self._counts is None:
            self._counts = self._no_counts()
        for suffix, counts in self._counts.items():
            if suffix:
                count_tokens(tokens[..., int(suffix[1:])], counts)
            else:
                joint = tokens if len(sizes) == 1 else joint_tokens(tokens, sizes)
                count_tokens(joint, counts)

    def compute(self) -> dict[str, float]:
        """Return usage, perplexity and entropy over all ranks.

        Raises:
            ValueError: There was no token, or there were tokens without a code.
        """
        counts = self._no_counts() if self._counts is None else self._counts
        result: dict[str, float] = {}
        for suffix, part in counts.items():
            statistics = codebook_statistics(distributed.sum_(part))
            result |= {f'{name}{suffix}': value for name, value in statistics.items()}
        return result
