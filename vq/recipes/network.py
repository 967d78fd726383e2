"""The network of a taming-transformers' or MoVQGAN's model: encoder to decoder."""

from typing import Any

from vq.conversion import taming
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.published import Shapes, autoencoder

BETA = 0.25  # of the original's quantizers, which take no other
KL_WEIGHT = 1e-8  # GumbelVQ's default
EMA_DECAY, EMA_EPS = 0.99, 1e-5  # of EMAVectorQuantizer

_PLACES = dict(
    in_channels=('encoder.in_dim',),
    out_ch=('decoder.out_dim',),
    ch=('encoder.width', 'decoder.width'),
    ch_mult=('encoder.width_mults', 'decoder.width_mults'),
    num_res_blocks=('encoder.depth', 'decoder.depth'),
    attn_resolutions=('encoder.attention', 'decoder.attention'),
    z_channels=('encoder.latent_dim', 'decoder.latent_dim', 'post_encode.in_dim'),
)
_NEEDED = (*_PLACES, 'resolution')
_MANY = ('ch_mult', 'attn_resolutions')
# Arguments of which a network has to have this value to be one of ours.
_FIXED: dict[str, Any] = dict(
    double_z=False,
    resamp_with_conv=True,
    give_pre_end=False,
    tanh_out=False,
    use_linear_attn=False,
    attn_type='vanilla',
)


def ddconfig(ledger: Ledger, at: str) -> dict[str, Any]:
    """Return the checked arguments of encoder and decoder, and account for them.

    Args:
        ledger: The account.
        at: Key of the arguments, with its dot.

    Raises:
        RecipeError: Ours is never this network; every reason is named.
    """
    settings = ledger.below(at)
    missing = [key for key in _NEEDED if key not in settings]
    wrong = [f'{at}{key} is missing' for key in missing]
    for key, value in settings.items():
        if key in _FIXED:
            if value != _FIXED[key]:
                wrong.append(f'{at}{key} is {value!r}: ours is {_FIXED[key]!r} only')
            ledger.same(f'{at}{key}', 'it is never otherwise here')
        elif key == 'dropout':
            if value:
                reason = 'residual blocks have no dropout here; only training differs'
                ledger.leave(f'{at}{key}', reason)
            ledger.same(f'{at}{key}', 'there is none here')
        elif key == 'resolution':
            wrong += _misshapen(f'{at}{key}', value, many=False)
            ledger.same(f'{at}{key}', 'it tells which levels have attention')
        elif key in _PLACES:
            ledger.take(f'{at}{key}', *_places(key))
            wrong += _misshapen(f'{at}{key}', value, many=key in _MANY)
        else:
            wrong.append(
                f'{at}{key}={value!r} is not known; leave it out if it changes nothing'
            )
    if wrong:
        raise RecipeError('no network of ours is this one: ' + '; '.join(wrong))
    return settings


def _misshapen(key: str, value: Any, *, many: bool) -> list[str]:
    """Say what is wrong with a value that should be a number, or a list of them."""
    numbers = value if many and isinstance(value, list) else [value]
    if isinstance(value, list) == many and all(
        type(number) is int and number > 0 for number in numbers
    ):
        return []
    kind = 'a list of whole numbers' if many else 'a whole number'
    return [f'{key} is {value!r}: it is {kind}, from 1']


def _places(key: str) -> tuple[str, ...]:
    return tuple(
        f'model.{place}' if place.startswith('decoder') else f'model.tokenizer.{place}'
        for place in _PLACES[key]
    )


def network(
    settings: dict[str, Any],
    *,
    codebook_size: int,
    dim: int,
    quantizer: str,
    spatial: bool,
    weight: float = 1.0,
    kl_weight: float = KL_WEIGHT,
) -> tuple[dict[str, Any], Shapes]:
    """Return the parts of our model, and the published names and shapes.

    Args:
        settings: The checked ddconfig.
        codebook_size: `n_embed`.
        dim: `embed_dim`.
        quantizer: 'vector', 'ema' or 'gumbel'.
        spatial: Whether the decoder is MoVQ's.
        weight: Of the quantizer's losses together.
        kl_weight: Of the Gumbel quantizer's loss.

    Raises:
        RecipeError: The original itself cannot be built.
    """
    latent_dim = settings['z_channels']
    if quantizer == 'gumbel' and dim != latent_dim:
        raise RecipeError(
            f'GumbelVQ needs embed_dim = z_channels; they are {dim} and {latent_dim}'
        )
    encoder, decoder = taming.encoder_config(settings), taming.decoder_config(settings)
    if encoder['attention'] == (len(encoder['width_mults']) - 1,):
        encoder['attention'] = (-1,)  # as people write it
    pre_decode = dict(type='Connector', in_dim=dim, out_dim=latent_dim)
    if spatial:
        # The connector is within, as the latent before it modulates the decoder.
        decoder |= dict(type='MoVQDecoder', latent_dim=dim, stem_dim=latent_dim)
        pre_decode = dict(type='Identity')
    model = dict(
        tokenizer=dict(
            encoder=encoder,
            post_encode=dict(type='Connector', in_dim=latent_dim, out_dim=dim),
            quantizer=_quantizer(quantizer, codebook_size, dim, weight, kl_weight),
        ),
        pre_decode=pre_decode,
        decoder=decoder,
    )
    shapes = autoencoder(
        settings,
        codebook_size=codebook_size,
        dim=dim,
        quantizer=quantizer,
        spatial=spatial,
    )
    return model, shapes


def _quantizer(
    kind: str, codebook_size: int, dim: int, weight: float, kl_weight: float
) -> dict[str, Any]:
    sizes = dict(codebook_size=codebook_size, dim=dim)
    if kind == 'gumbel':
        kl_weight = weight * kl_weight
        return dict(type='GumbelQuantizer', **sizes, kl_weight=kl_weight)
    if kind == 'ema':
        averages = dict(decay=EMA_DECAY, eps=EMA_EPS)
        beta = weight * BETA
        return dict(type='EMAQuantizer', **sizes, commitment_weight=beta, **averages)
    return dict(
        type='VectorQuantizer',
        **sizes,
        codebook_weight=weight,
        commitment_weight=weight * BETA,
        legacy_beta=True,  # as the original is trained
    )
