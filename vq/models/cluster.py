"""Cluster: a codebook for the features of a frozen teacher (https://arxiv.org/abs/2411.04406)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vq.models.quantizers.base import Quantizer
from vq.models.tokenizer import ImageTokenizer
from vq.registry import MODELS
from vq.types import Batch, Distillation, Loss, Optimizers


@MODELS.register_module()
class Cluster(nn.Module):
    """A tokenizer whose encoder is a frozen teacher: only the codebook learns.

    It does so by the quantizer's losses and `optimizers['generator']`, as a CVQuantizer
    does, or, without an optimizer, from the passes alone, as a KMeansQuantizer does.
    Either way `inertia` is logged: the mean over positions of the squared distance
    between the teacher's features and their codes.

    Args:
        tokenizer: Images to quantized latents; its encoder is a `TeacherEncoder`.
    """

    def __init__(self, *, tokenizer: Mapping[str, Any]) -> None:
        super().__init__()
        self.tokenizer: ImageTokenizer = MODELS.build(tokenizer)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train on a batch.

        Returns:
            Detached scalars to log.

        Raises:
            ValueError: The quantizer has losses and no optimizer, or the reverse.
        """
        if 'generator' in optimizers:
            return optimizers['generator'](self.loss, batch).logs
        output = self(batch.image)
        losses = output.quantized.losses
        if losses:
            raise ValueError(
                f'{self._quantizer_name()} has {sorted(losses)} and no optimizer to '
                'lower it; add optimizers = dict(generator=...)'
            )
        return dict(inertia=inertia(output))

    def loss(self, batch: Batch) -> Loss:
        """Compute what the codebook minimises.

        Raises:
            ValueError: The quantizer has no losses.
        """
        output = self(batch.image)
        losses = output.quantized.losses
        if not losses:
            raise ValueError(
                f'{self._quantizer_name()} has no losses, it learns from each pass; '
                'drop the optimizer, by optimizers = dict(generator=None)'
            )
        total = sum(losses.values(), start=output.target.new_zeros(()))
        logs = {name: loss.detach() for name, loss in losses.items()}
        logs |= dict(inertia=inertia(output), total=total.detach())
        return Loss(total=total, logs=logs)

    def forward(self, image: Tensor) -> Distillation:
        """Quantize a teacher's features of an image (b, 3, H, W) in [-1, 1].

        Returns:
            As features the quantized latent, as target the latent itself; both on the
            unit sphere, if the quantizer has its codes there.
        """
        quantizer: Quantizer = self.tokenizer.quantizer
        latent = self.tokenizer.encode(image)
        quantized = quantizer(latent)
        return Distillation(
            features=quantized.latent,
            target=quantizer.project(latent),
            quantized=quantized,
        )

    def val_step(self, batch: Batch) -> Distillation:
        """Quantize a teacher's features of a batch."""
        output: Distillation = self(batch.image)
        return output

    def _quantizer_name(self) -> str:
        return type(self.tokenizer.quantizer).__name__


def inertia(output: Distillation) -> Tensor:
    """Return the mean squared distance of features and target, a detached scalar."""
    difference = output.features.detach() - output.target.detach()
    return difference.float().square().sum(1).mean()
