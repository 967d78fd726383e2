"""A linear probe: which classes can be told from the tokens of a frozen tokenizer."""

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from vq.models.discriminators.norm import SyncBatchNorm
from vq.models.frozen import PartlyFrozen
from vq.models.layers import at_least_float32, full_precision
from vq.models.tokenizer import ImageTokenizer
from vq.registry import MODELS
from vq.types import Batch, Classification, Loss, Optimizers, Quantized

NORM_EPS = 1e-6
INIT_STD = 0.01


@MODELS.register_module()
class LinearProbe(PartlyFrozen):
    """One linear layer on the mean of the codes that a picture's tokens stand for.

    As MAE's probe (https://arxiv.org/abs/2111.06377) it normalises the features over
    the batch, without weights. The tokenizer is frozen, see `PartlyFrozen`.

    Args:
        tokenizer: Images to quantized latents.
        classes: Number of classes; pictures' categories lie below it.

    Raises:
        ValueError: There are fewer than two classes.
    """

    def __init__(self, *, tokenizer: Mapping[str, Any], classes: int) -> None:
        super().__init__()
        if not isinstance(classes, int) or classes < 2:
            raise ValueError(f'a probe tells two classes or more, got {classes!r}')
        self.classes = classes
        self.tokenizer: ImageTokenizer = MODELS.build(tokenizer)
        dim = self.tokenizer.quantizer.dim
        self.norm = SyncBatchNorm(dim, eps=NORM_EPS, affine=False)
        self.head = nn.Linear(dim, classes)
        nn.init.trunc_normal_(self.head.weight, std=INIT_STD)
        nn.init.zeros_(self.head.bias)
        self.freeze(['tokenizer'])

    @torch.no_grad()
    def quantize(self, image: Tensor) -> Quantized:
        """Look the codes of an image (b, 3, H, W) in [-1, 1] up."""
        tokens = self.tokenizer.tokenize(image)
        latent = self.tokenizer.tokens_to_latent(tokens)
        return Quantized(latent=latent, tokens=tokens)

    def forward(self, image: Tensor) -> Classification:
        """Classify an image (b, 3, H, W) in [-1, 1]."""
        quantized = self.quantize(image)
        latent = at_least_float32(quantized.latent)
        with full_precision(latent):
            features = self.norm(reduce(latent, 'b d h w -> b d 1 1', 'mean'))
            logits = self.head(rearrange(features, 'b d 1 1 -> b d'))
        return Classification(logits=logits, quantized=quantized)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train the layer on a batch.

        Returns:
            Detached scalars to log.
        """
        return optimizers['head'](self.loss, batch).logs

    def loss(self, batch: Batch) -> Loss:
        """Compute the cross-entropy of the batch, and its accuracy to log."""
        logits = self.val_step(batch).logits
        loss = functional.cross_entropy(logits, batch.category)
        right = logits.detach().argmax(1) == batch.category
        logs = dict(total=loss.detach(), top1=right.float().mean())
        return Loss(total=loss, logs=logs)

    def val_step(self, batch: Batch) -> Classification:
        """Classify a batch.

        Raises:
            ValueError: A category is none of the classes.
        """
        self._check(batch)
        classification: Classification = self(batch.image)
        return classification

    def _check(self, batch: Batch) -> None:
        # On a GPU a wrong category would end the process without saying which.
        unknown = (batch.category < 0) | (batch.category >= self.classes)
        if unknown.any():
            place = int(unknown.nonzero()[0])
            raise ValueError(
                f'{batch.ids[place]} is of category {int(batch.category[place])}, but '
                f'the probe has classes={self.classes}, categories 0 to '
                f'{self.classes - 1}: set `classes` to the number of classes that the '
                'data set has'
            )
