"""VQGAN: a VQ autoencoder trained with a discriminator (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vq.models.layers import at_least_float32, frozen
from vq.models.losses import AdversarialLoss
from vq.models.reconstructor import Reconstructor
from vq.registry import MODELS
from vq.types import Batch, Loss, Optimizers, Reconstruction

Part = Mapping[str, Any]
DiscriminatorForward = Literal['shared', 'repeated']


@MODELS.register_module()
class VQGAN(Reconstructor):
    """A reconstructor with its losses and, optionally, a discriminator.

    Args:
        tokenizer: Images to quantized latents.
        pre_decode: The connector from the quantizer to the decoder.
        decoder: Latents to images; has a `last_parameter`.
        reconstruction_losses: By the name they are logged under; None drops one.
        discriminator: Images to logits; None trains without.
        adversarial_loss: Such as `HingeLoss`; required beside a discriminator.
        adversarial_weight: Such as `AdaptiveWeight`; None is the constant 1.
        discriminator_start: Iterations before the adversarial part begins.
        discriminator_every: The discriminator learns every so many iterations.
        adversarial_ramp: Iterations over which the adversarial loss grows from zero
            to its full weight after the start.
        discriminator_forward: 'shared' shows the discriminator the reconstruction of
            the generator's step; 'repeated' makes a new one with the updated weights,
            as the original does.
    """

    def __init__(
        self,
        *,
        tokenizer: Part,
        pre_decode: Part,
        decoder: Part,
        reconstruction_losses: Mapping[str, Part | None],
        discriminator: Part | None = None,
        adversarial_loss: Part | None = None,
        adversarial_weight: Part | None = None,
        discriminator_start: int = 0,
        discriminator_every: int = 1,
        adversarial_ramp: int = 0,
        discriminator_forward: DiscriminatorForward = 'shared',
    ) -> None:
        super().__init__(tokenizer=tokenizer, pre_decode=pre_decode, decoder=decoder)
        if discriminator_forward not in ('shared', 'repeated'):
            raise ValueError(
                "discriminator_forward must be 'shared' or 'repeated', "
                f'got {discriminator_forward!r}'
            )
        if discriminator is not None and adversarial_loss is None:
            raise ValueError('a discriminator needs an adversarial_loss, got None')
        if discriminator_every < 1:
            raise ValueError(f'discriminator_every is {discriminator_every}, not >= 1')
        self.reconstruction_losses = nn.ModuleDict(
            {
                name: MODELS.build(loss)
                for name, loss in reconstruction_losses.items()
                if loss is not None
            }
        )
        self.discriminator = _build(discriminator)
        self.adversarial_loss: AdversarialLoss | None = _build(adversarial_loss)
        self.adversarial_weight = _build(adversarial_weight)
        self.discriminator_start = discriminator_start
        self.discriminator_every = discriminator_every
        self.adversarial_ramp = adversarial_ramp
        self.discriminator_forward = discriminator_forward

    def adversarial_factor(self, iteration: int) -> float:
        """Return the share of the adversarial loss that counts, from 0 to 1."""
        begun = iteration - self.discriminator_start
        if self.discriminator is None or begun < 0:
            return 0.0
        return min(1.0, (begun + 1) / (self.adversarial_ramp + 1))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train on a batch: the generator, then the discriminator.

        Returns:
            Detached scalars to log.
        """
        iteration = optimizers.iteration
        factor = self.adversarial_factor(iteration)
        loss = optimizers['generator'](self.generator_loss, batch, factor)
        logs = loss.logs
        if factor == 0 or iteration % self.discriminator_every:
            return logs
        update = optimizers['discriminator']
        if self.discriminator_forward == 'repeated' or loss.reconstruction is None:
            loss = update(self.discriminator_loss, batch)
        else:
            fake = loss.reconstruction.image.detach()
            loss = update(self.discriminator_loss, batch, fake)
        return logs | loss.logs

    def generator_loss(self, batch: Batch, adversarial_factor: float = 0.0) -> Loss:
        """Compute what encoder, quantizer and decoder minimise.

        Args:
            batch: Images.
            adversarial_factor: Share of the adversarial loss that counts; at 0 the
                discriminator is not run.
        """
        image = batch.image
        reconstruction: Reconstruction = self(image)
        losses = dict(reconstruction.quantized.losses)
        for name, module in self.reconstruction_losses.items():
            losses[name] = module(reconstruction.image, image)
        logs = {name: loss.detach() for name, loss in losses.items()}
        total = torch.stack(list(losses.values())).sum()
        if adversarial_factor > 0:
            pixels = [losses[name] for name in self.reconstruction_losses]
            weighted, adversarial_logs = self._adversarial(
                reconstruction.image, torch.stack(pixels).sum()
            )
            total = total + adversarial_factor * weighted
            logs |= adversarial_logs
        logs['total'] = total.detach()
        return Loss(total=total, logs=logs, reconstruction=reconstruction)

    def discriminator_loss(self, batch: Batch, fake: Tensor | None = None) -> Loss:
        """Compute what the discriminator minimises.

        Args:
            batch: Real images.
            fake: Their detached reconstructions, (b, 3, h, w); None makes new ones.
        """
        assert self.discriminator is not None and self.adversarial_loss is not None
        image = batch.image
        if fake is None:
            with torch.no_grad():
                fake = self(image).image
        logits_real: Tensor = self.discriminator(image)
        logits_fake: Tensor = self.discriminator(fake)
        loss = self.adversarial_loss.discriminator(logits_real, logits_fake)
        logs = dict(
            discriminator_loss=loss.detach(),
            logits_real=at_least_float32(logits_real.detach()).mean(),
            logits_fake=at_least_float32(logits_fake.detach()).mean(),
        )
        return Loss(total=loss, logs=logs)

    def _adversarial(
        self, fake: Tensor, reconstruction_loss: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted adversarial loss of `fake` (b, 3, h, w), and its logs."""
        assert self.discriminator is not None and self.adversarial_loss is not None
        with frozen(self.discriminator):
            loss = self.adversarial_loss.generator(self.discriminator(fake))
        weight = torch.ones_like(loss.detach())
        if self.adversarial_weight is not None:
            last = self.decoder.last_parameter
            weight = self.adversarial_weight(reconstruction_loss, loss, last)
        logs = dict(generator_loss=loss.detach(), adaptive_weight=weight)
        return weight * loss, logs


def _build(part: Part | None) -> Any:
    return None if part is None else MODELS.build(part)
