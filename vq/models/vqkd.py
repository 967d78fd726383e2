"""VQ-KD: a tokenizer distilled from a teacher (https://arxiv.org/abs/2208.06366)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from vq.models.connectors import check_channels
from vq.models.tokenizer import ImageTokenizer
from vq.registry import MODELS
from vq.types import Batch, Distillation, Loss, Optimizers

Part = Mapping[str, Any]
COSINE = MappingProxyType(dict(type='CosineFeatureLoss'))


@MODELS.register_module()
class VQKD(nn.Module):
    """A tokenizer, and a decoder that tells a frozen teacher's features from tokens.

    Args:
        tokenizer: Images to quantized latents.
        decoder: Latents to features (b, c, h, w).
        teacher: uint8 images to the features that are to be told, see `Teacher`; None
            for weights alone, to convert or export them.
        feature_loss: Between the two.

    Raises:
        ValueError: Two neighbouring parts differ in channels, or the decoder and the
            teacher do.
    """

    def __init__(
        self,
        *,
        tokenizer: Part,
        decoder: Part,
        teacher: Part | None,
        feature_loss: Part = COSINE,
    ) -> None:
        super().__init__()
        self.tokenizer: ImageTokenizer = MODELS.build(tokenizer)
        self.decoder: nn.Module = MODELS.build(decoder)
        self.teacher: nn.Module | None = (
            None if teacher is None else MODELS.build(teacher)
        )
        self.feature_loss: nn.Module = MODELS.build(feature_loss)
        told: Any = getattr(self.decoder, 'out_dim', None)
        wanted: Any = getattr(self.teacher, 'out_dim', None)
        check_channels(
            [
                ('quantizer', None, self.tokenizer.quantizer.dim),
                ('decoder', getattr(self.decoder, 'in_dim', None), told),
            ]
        )
        if told is not None and wanted is not None and told != wanted:
            raise ValueError(
                f'decoder gives {told} channels, the features of teacher have '
                f'{wanted}: set decoder.out_dim to {wanted}'
            )

    def forward(self, batch: Batch) -> Distillation:
        """Tell the teacher's features of a batch's images from their tokens.

        Raises:
            ValueError: There is no teacher, or its features are of another shape.
        """
        if self.teacher is None:
            raise ValueError('teacher is None: such a VQKD can only be converted')
        target: Tensor = self.teacher(batch.original_image)
        quantized = self.tokenizer(batch.image)
        features: Tensor = self.decoder(quantized.latent)
        if features.shape != target.shape:
            raise ValueError(
                f'decoder tells features {tuple(features.shape)}, those of teacher are '
                f'{tuple(target.shape)}: set teacher.grid to the rows of tokens, '
                f'{features.shape[-2]}, and decoder.out_dim to its channels'
            )
        return Distillation(features=features, target=target, quantized=quantized)

    def val_step(self, batch: Batch) -> Distillation:
        """Tell the teacher's features of a batch."""
        told: Distillation = self(batch)
        return told

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train on a batch, and return detached scalars to log."""
        return optimizers['generator'](self.generator_loss, batch).logs

    def generator_loss(self, batch: Batch) -> Loss:
        """Compute what is minimised: the quantizer's terms and the features'."""
        told: Distillation = self(batch)
        losses = dict(told.quantized.losses)
        losses['feature_loss'] = self.feature_loss(told.features, told.target)
        total = torch.stack(list(losses.values())).sum()
        logs = {name: loss.detach() for name, loss in losses.items()}
        return Loss(total=total, logs=logs | dict(total=total.detach()))
