"""How well a proposal network tells the next token: loss, perplexity and accuracy."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from vq import distributed
from vq.checkpoints import state_hash
from vq.metrics.base import Measured, Metric
from vq.registry import METRICS
from vq.types import Batch, Prediction

TOP = (1, 5)


@METRICS.register_module()
class TokenMetric(Metric):
    """Loss, perplexity and accuracy of the next token, the true ones before it given.

        loss        mean cross-entropy of a token, in nats; of g sub-tokens their sum
        perplexity  its exponential: of how many tokens, equally likely, one would know
                    as little
        top1, top5  share of the sub-tokens that are among the likeliest so many, each
                    counted by itself, those before it in its token given

    Guidance, temperature and filters play no part: these are the network's own odds.
    Losses of different tokenizers say nothing of each other, hence the protocol names
    the tokenizer's weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._model: nn.Module | None = None
        self._sums: Tensor | None = None

    def prepare(self, runner: Measured) -> None:
        """Note whose tokens are told."""
        self._model = runner.model

    def protocol(self) -> dict[str, Any]:
        """Return the unit, how ties count, and whose tokens they are."""
        said = dict(unit='nats', ties='wrong')
        if self._model is None:
            return said
        tokenizer: nn.Module = self._model.tokenizer  # type: ignore[assignment]
        return dict(said, tokenizer=state_hash(tokenizer.state_dict()))

    def reset(self) -> None:
        """Forget everything seen so far."""
        super().reset()
        self._sums = None

    def _update(self, batch: Batch, output: Prediction) -> None:
        losses, ranks = output.losses, output.ranks
        right = [(ranks < k).sum().double() for k in TOP]
        counts = torch.tensor([losses.numel(), ranks.numel()]).to(right[0])
        sums = torch.stack([losses.double().sum(), *right, *counts])
        self._sums = sums if self._sums is None else self._sums + sums

    def compute(self) -> dict[str, float]:
        """Return the results over all tokens of all ranks.

        Raises:
            ValueError: There was no token.
        """
        sums = self._sums
        if sums is None:
            sums = torch.zeros(len(TOP) + 3, dtype=torch.float64, device=self.device)
        total, *right, tokens, subtokens = distributed.sum_(sums).tolist()
        if not tokens:
            raise ValueError('TokenMetric saw no token')
        loss = total / tokens
        # A loss that is no number, or far too large, is told, not raised.
        perplexity = math.exp(loss) if loss < math.log(1e300) else math.inf
        accuracy = {f'top{k}': n / subtokens for k, n in zip(TOP, right, strict=True)}
        return dict(loss=loss, perplexity=perplexity, **accuracy)
