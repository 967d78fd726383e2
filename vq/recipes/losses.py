"""The losses of taming-transformers and MoVQGAN, and their discriminator."""

from dataclasses import dataclass
from typing import Any

from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.published import Shapes, patch_discriminator

PREFIX = 'loss.discriminator.main.'
UNUSED = 'the original takes it and never uses it'
_ADVERSARIAL = dict(hinge='HingeLoss', vanilla='VanillaLoss')
NONE = dict(discriminator=None, adversarial_loss=None, adversarial_weight=None)


@dataclass(frozen=True)
class Kind:
    """What a class of losses computes.

    Attributes:
        pixels: Name and type of its pixel loss.
        adversarial: Whether it has a discriminator.
        fixed: The weights that it takes whatever the settings say; none for a class
            that listens.
        weighs_pixels: Whether it uses the weight of the pixel loss.
    """

    pixels: tuple[str, str]
    adversarial: bool = True
    fixed: tuple[tuple[str, float], ...] = ()
    weighs_pixels: bool = False


L1, MSE = ('l1_loss', 'L1Loss'), ('mse_loss', 'MSELoss')
KINDS = {
    'VQLPIPSWithDiscriminator': Kind(L1),
    'VQLPIPSWithDiscriminator2': Kind(
        MSE, fixed=(('perceptual', 0.1), ('generator', 0.1), ('codebook', 1.0))
    ),
    'VQGANLoss': Kind(MSE, weighs_pixels=True),
    'VQLPIPS': Kind(L1, adversarial=False),
}
_PIXEL_WEIGHTS = ('pixelloss_weight', 'rec_weight', 'reconstruction_weight')


@dataclass(frozen=True)
class Losses:
    """What a training minimises.

    Attributes:
        model: Arguments of our VQGAN.
        codebook_weight: Of the quantizer's losses together.
        shapes: Published keys of the discriminator.
        adversarial: Whether there is one.
    """

    model: dict[str, Any]
    codebook_weight: float
    shapes: Shapes
    adversarial: bool


def losses(ledger: Ledger, at: str, *, adversarial: bool = True) -> Losses:
    """Return the losses that `lossconfig` says, and account for its keys.

    Args:
        ledger: The account.
        at: Key of lossconfig, with its dot.
        adversarial: False for a model that has no discriminator whatever the loss.

    Raises:
        RecipeError: The discriminator is none of ours.
    """
    target = str(ledger.take(f'{at}target', 'model.reconstruction_losses', default=''))
    kind = KINDS.get(target.rpartition('.')[2])
    params = f'{at}params.'
    if kind is None:
        return _unknown(ledger, at, target, adversarial)
    weights = dict(kind.fixed)
    name, type_ = kind.pixels
    pixel_weight = _pixel_weight(ledger, params, kind)
    perceptual = _weight(ledger, params, 'perceptual', weights)
    codebook = _weight(ledger, params, 'codebook', weights)
    found: dict[str, Any] = dict.fromkeys(('l1_loss', 'mse_loss'))
    found[name] = dict(type=type_, weight=pixel_weight)
    lpips = dict(type='LPIPSLoss', weight=perceptual) if perceptual > 0 else None
    model: dict[str, Any] = dict(reconstruction_losses=found | dict(lpips_loss=lpips))
    shapes: Shapes = {}
    adversarial = adversarial and kind.adversarial
    if adversarial:
        parts, shapes = _discriminator(ledger, params, weights.get('generator'))
        model |= parts
    else:
        ledger.leave(f'{params}disc_', 'this model trains no discriminator')
        model |= NONE
    return Losses(model, codebook, shapes, adversarial)


def _weight(ledger: Ledger, at: str, name: str, fixed: dict[str, float]) -> float:
    key = f'{at}{name}_weight'
    if name in fixed:
        if ledger.get(key, fixed[name]) != fixed[name]:
            ledger.leave(key, f'{UNUSED}: it takes {fixed[name]}')
        ledger.same(key, 'the original takes no other')
        return fixed[name]
    place = dict(
        perceptual='model.reconstruction_losses.lpips_loss.weight',
        codebook='model.tokenizer.quantizer',  # each kind has other weights
    )[name]
    weight = float(ledger.take(key, place, default=1.0))
    if weight == 1:
        ledger.same(key, '1, as here')
    return weight


def _pixel_weight(ledger: Ledger, at: str, kind: Kind) -> float:
    weight = 1.0
    for name in _PIXEL_WEIGHTS:
        if kind.weighs_pixels:
            place = f'model.reconstruction_losses.{kind.pixels[0]}.weight'
            weight = float(ledger.take(f'{at}{name}', place, default=weight))
        elif ledger.get(f'{at}{name}', 1.0) != 1.0:
            ledger.leave(f'{at}{name}', UNUSED)
        else:
            ledger.same(f'{at}{name}', '1, as in the original whatever it says')
    return weight


def _discriminator(
    ledger: Ledger, at: str, generator: float | None
) -> tuple[dict[str, Any], Shapes]:
    """Return the adversarial arguments; `generator` is a weight that is not adapted."""
    if ledger.get(f'{at}disc_conditional', False):
        raise RecipeError(
            f'{at}disc_conditional is true: our discriminators see images alone'
        )
    ledger.same(f'{at}disc_conditional', 'it is never otherwise here')
    part = 'model.discriminator.'
    depth = int(ledger.take(f'{at}disc_num_layers', f'{part}depth', default=3))
    width = int(ledger.take(f'{at}disc_ndf', f'{part}width', default=64))
    in_dim = int(ledger.take(f'{at}disc_in_channels', f'{part}in_dim', default=3))
    act = bool(ledger.take(f'{at}use_actnorm', f'{part}norm', default=False))
    name = ledger.take(f'{at}disc_loss', 'model.adversarial_loss.type', default='hinge')
    if name not in _ADVERSARIAL:
        known = ', '.join(_ADVERSARIAL)
        raise RecipeError(f'{at}disc_loss is {name!r}; the original knows {known}')
    start = ledger.take(f'{at}disc_start', 'model.discriminator_start', default=0)
    loss, balance = _strength(ledger, at, generator)
    shape: dict[str, int] = dict(depth=depth, width=width, in_dim=in_dim)
    model = dict(
        discriminator=dict(
            type='PatchDiscriminator', **shape, norm='act' if act else 'batch'
        ),
        adversarial_loss=dict(type=_ADVERSARIAL[name], **loss),
        adversarial_weight=balance,
        discriminator_start=0 if generator else int(start),
    )
    return model, patch_discriminator(PREFIX, **shape, act=act)


def _strength(
    ledger: Ledger, at: str, generator: float | None
) -> tuple[dict[str, float], dict[str, Any] | None]:
    """Return the weights of the adversarial losses, and what adapts them."""
    if generator is not None:
        for name in ('disc_weight', 'disc_factor', 'disc_start'):
            ledger.leave(
                f'{at}{name}', f'{UNUSED}: {generator} at once, and not adapted'
            )
        return dict(generator_weight=generator, discriminator_weight=1.0), None
    gain = 'model.adversarial_weight.gain'
    weight = float(ledger.take(f'{at}disc_weight', gain, default=1.0))
    factor = float(
        ledger.take(
            f'{at}disc_factor',
            gain,
            'model.adversarial_loss.discriminator_weight',
            default=1.0,
        )
    )
    # The original's factor stands before both losses, behind the balance of gradients.
    weights = dict(generator_weight=1.0, discriminator_weight=factor)
    return weights, dict(type='AdaptiveWeight', gain=weight * factor)


def _unknown(ledger: Ledger, at: str, target: str, adversarial: bool) -> Losses:
    """Return no losses but those of our base, and say so."""
    name = target.rpartition('.')[2]
    if name in ('', 'DummyLoss'):
        ledger.same(f'{at}target', 'no loss there: those of our VQGAN')
        ledger.remark('losses', "the settings have none; ours are VQGAN's, as here")
    else:
        ledger.leave(f'{at}target', f'{name} is no loss here; those of our VQGAN stand')
    return Losses({}, 1.0, {}, adversarial)
