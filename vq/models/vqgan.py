"""VQGAN: a VQ autoencoder trained with a discriminator (https://arxiv.org/abs/2012.09841)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from vq.models.layers import at_least_float32, differentiated_once, frozen
from vq.models.losses import AdversarialLoss, Balance, Regularizer
from vq.models.reconstructor import Reconstructor
from vq.registry import MODELS
from vq.types import Batch, Loss, Optimizers, Reconstruction

Part = Mapping[str, Any]
DiscriminatorForward = Literal['shared', 'repeated']


@MODELS.register_module()
class VQGAN(Reconstructor):
    """A reconstructor with its losses and, optionally, a discriminator.

    When who learns what, in iterations:

        0                 generator_start: the generator
        0                 discriminator_start: the discriminator, which learns alone for
                          adversarial_warmup more; from then on
        adversarial_ramp  the adversarial loss grows from zero to its full weight

    Args:
        tokenizer: Images to quantized latents.
        pre_decode: The connector from the quantizer to the decoder.
        decoder: Latents to images; has a `last_parameter`.
        reconstruction_losses: By the name they are logged under; None drops one.
        discriminator: Images to logits; None trains without.
        adversarial_loss: Such as `HingeLoss`; required beside a discriminator.
        adversarial_weight: Such as `AdaptiveWeight`; None is the constant 1.
        regularizers: Of the discriminator, such as `R1Penalty` or `LeCAM`, by the name
            they are logged under; None drops one.
        generator_start: Iterations in which the generator does not learn.
        discriminator_start: Iterations before the discriminator learns.
        discriminator_every: The discriminator learns every so many iterations.
        adversarial_warmup: Iterations after its start in which the generator does not
            yet feel the discriminator.
        adversarial_ramp: Iterations over which the adversarial loss grows.
        discriminator_forward: 'shared' shows the discriminator the reconstruction of
            the generator's step; 'repeated' makes a new one with the updated weights,
            as the original does.
        frozen: Names of parts that are not trained, such as 'tokenizer' where a decoder
            is trained for it.
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
        regularizers: Mapping[str, Part | None] = MappingProxyType({}),
        generator_start: int = 0,
        discriminator_start: int = 0,
        discriminator_every: int = 1,
        adversarial_warmup: int = 0,
        adversarial_ramp: int = 0,
        discriminator_forward: DiscriminatorForward = 'shared',
        frozen: Sequence[str] = (),
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
        self.reconstruction_losses = _build_all(reconstruction_losses)
        self.discriminator = _build(discriminator)
        self.adversarial_loss: AdversarialLoss | None = _build(adversarial_loss)
        self.adversarial_weight = _build(adversarial_weight)
        self.regularizers = _build_all(regularizers)
        self.generator_start = generator_start
        self.discriminator_start = discriminator_start
        self.discriminator_every = discriminator_every
        self.adversarial_warmup = adversarial_warmup
        self.adversarial_ramp = adversarial_ramp
        self.discriminator_forward = discriminator_forward
        self.freeze(frozen)

    def adversarial_factor(self, iteration: int) -> float:
        """Return the share of the adversarial loss that counts, from 0 to 1."""
        begun = iteration - self.discriminator_start - self.adversarial_warmup
        if self.discriminator is None or begun < 0:
            return 0.0
        return min(1.0, (begun + 1) / (self.adversarial_ramp + 1))

    def discriminator_update(self, iteration: int) -> int | None:
        """Return which update of the discriminator, from 0, is due; None if none is."""
        begun = iteration - self.discriminator_start
        if self.discriminator is None or begun < 0 or begun % self.discriminator_every:
            return None
        return begun // self.discriminator_every

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train on a batch: the generator, then the discriminator.

        Returns:
            Detached scalars to log.
        """
        iteration = optimizers.iteration
        logs: dict[str, Tensor] = {}
        fake = None
        if iteration >= self.generator_start:
            factor = self.adversarial_factor(iteration)
            loss = optimizers['generator'](self.generator_loss, batch, factor)
            logs |= loss.logs
            if self.discriminator_forward == 'shared' and loss.reconstruction:
                fake = loss.reconstruction.image.detach()
        number = self.discriminator_update(iteration)
        if number is not None:
            update = optimizers['discriminator']
            logs |= update(self.discriminator_loss, batch, fake, number).logs
        return logs

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
        if self.discriminator is not None:
            logs['adversarial_share'] = total.new_full((), adversarial_factor)
        if adversarial_factor > 0:
            pixels = [losses[name] for name in self.reconstruction_losses]
            weighted, adversarial_logs = self._adversarial(
                _seen(reconstruction.image, image), torch.stack(pixels).sum()
            )
            total = total + adversarial_factor * weighted
            logs |= adversarial_logs
        logs['total'] = total.detach()
        return Loss(total=total, logs=logs, reconstruction=reconstruction)

    def discriminator_loss(
        self, batch: Batch, fake: Tensor | None = None, number: int = 0
    ) -> Loss:
        """Compute what the discriminator minimises.

        Args:
            batch: Real images.
            fake: Their detached reconstructions, (b, 3, h, w); None makes new ones.
            number: Of the discriminator's update; some regularizers rest at most.
        """
        assert self.discriminator is not None and self.adversarial_loss is not None
        image = batch.image
        if fake is None:
            with torch.no_grad():
                fake = self(image).image
        real: Tensor = at_least_float32(self.discriminator(image))
        unreal: Tensor = at_least_float32(self.discriminator(_seen(fake, image)))
        # What is seen instead of a bad reconstruction must not be learnt from.
        unreal = torch.where(fake.isfinite().all(), unreal, torch.nan)
        loss = self.adversarial_loss.discriminator(real, unreal)
        terms = dict(discriminator_loss=loss)
        for name, module in self.regularizers.items():
            regularizer = cast(Regularizer, module)
            if number % regularizer.every == 0:
                terms[name] = regularizer(self.discriminator, image, real, unreal)
        logs = {name: term.detach() for name, term in terms.items()} | dict(
            logits_real=real.detach().mean(),
            logits_fake=unreal.detach().mean(),
            accuracy_real=(real.detach() > 0).float().mean(),
            accuracy_fake=(unreal.detach() < 0).float().mean(),
        )
        return Loss(total=torch.stack(list(terms.values())).sum(), logs=logs)

    def _adversarial(
        self, fake: Tensor, reconstruction_loss: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted adversarial loss of `fake` (b, 3, h, w), and its logs."""
        assert self.discriminator is not None and self.adversarial_loss is not None
        judge, adversarial = self.discriminator, self.adversarial_loss
        with frozen(judge):
            loss = differentiated_once(
                lambda image: adversarial.generator(judge(image)), fake
            )
        logs = dict(generator_loss=loss.detach())
        if self.adversarial_weight is None:
            return loss, logs
        last = self.decoder.last_parameter
        balance: Balance = self.adversarial_weight(reconstruction_loss, loss, last)
        logs |= dict(
            adaptive_weight=balance.weight,
            reconstruction_gradient=balance.reconstruction_gradient,
            adversarial_gradient=balance.generator_gradient,
        )
        return balance.weight * loss, logs


def _seen(fake: Tensor, image: Tensor) -> Tensor:
    """Return `fake`, or if it is not finite `image`; both (b, 3, h, w).

    A discriminator's normalisation would never forget numbers that are not finite.
    """
    return torch.where(fake.isfinite().all(), fake, image)


def _build(part: Part | None) -> Any:
    return None if part is None else MODELS.build(part)


def _build_all(parts: Mapping[str, Part | None]) -> nn.ModuleDict:
    kept = {
        name: MODELS.build(part) for name, part in parts.items() if part is not None
    }
    return nn.ModuleDict(kept)
