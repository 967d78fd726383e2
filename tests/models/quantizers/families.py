"""Every family of quantizers and its variants: a line each.

A new family is one more line in `FAMILIES`; the tests of `test_conformance*.py` then
hold it to the contract that all of them keep.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tests.models.quantizers import setups

Config = dict[str, Any]
Moves = dict[str, set[str]]
Setup = Callable[[Any], None]


@dataclass(frozen=True)
class Family:
    """What the tests must know of a family or variant.

    Attributes:
        config: What builds it, tiny.
        moves: What each loss of a training pass moves, and the quantized latent:
            'latent', and parameters by name.
        setup: Done to a freshly drawn one, such as a first pass where that begins it.
        invert: Done so that the latent of all tokens has these very tokens, where that
            is not so of any codebook; None where it cannot be so.
        source: Maps the latent of codes to one that is quantized to it, where codes
            themselves are not, both (b, d, h, w).
        margin: Of the module and a latent (b, in_dim, h, w), both in float64; see
            `margins`; (b, h, w). None for families that search with `nearest_code`.
        looks_up: In training, too, the value is that of its tokens, by the codes from
            before the pass.
        noisy: It draws from a random generator in training.
        always_noisy: And in evaluation.
        like_one: Ranks train as one would with all of their latents; not where each
            draws noise of its own, or is told to look at its own latents only.
    """

    config: Config
    moves: Moves
    setup: Setup = lambda module: None
    invert: Setup | None = lambda module: None
    source: Callable[[Any, Tensor], Tensor] = lambda module, latent: latent
    margin: Callable[[Any, Tensor], Tensor] | None = None
    looks_up: bool = True
    noisy: bool = False
    always_noisy: bool = False
    like_one: bool = True


def table(type_: str, **changes: Any) -> Config:
    """Return the config of a quantizer with a table of 16 codes of 4 channels."""
    return dict(type=type_, codebook_size=16, dim=4) | changes


def vq(**changes: Any) -> Config:
    """Return the config of a VectorQuantizer whose codes are where latents are."""
    return table('VectorQuantizer', init='normal', **changes)


def residual(quantizer: Config, **changes: Any) -> Config:
    """Return the config of a residual quantizer of two depths."""
    return dict(type='ResidualQuantizer', quantizer=quantizer, depth=2) | changes


def product(quantizer: Config) -> Config:
    """Return the config of a product of two groups."""
    return dict(type='ProductQuantizer', quantizer=quantizer, groups=2)


def remapped(quantizer: Config, **changes: Any) -> Config:
    """Return the config of a quantizer of which ten codes have a token."""
    used = (15, 1, 2, 3, 4, 0, 9, 8, 7, 6)
    return dict(type='RemappedQuantizer', quantizer=quantizer, used=used, **changes)


BOTH = {'latent', 'codebook'}
CODEBOOK: Moves = dict(codebook_loss={'codebook'})
COMMITMENT: Moves = dict(commitment_loss={'latent'})
ENTROPY: Moves = dict(entropy_loss=BOTH)
STRAIGHT: Moves = dict(latent={'latent'})
VQ: Moves = CODEBOOK | COMMITMENT | STRAIGHT
IBQ: Moves = VQ | ENTROPY | dict(propagation_loss=BOTH, latent=BOTH)
SCORES = {'latent', 'proj.weight', 'proj.bias'}
GUMBEL: Moves = dict(kl_loss=SCORES, latent=SCORES | {'codebook'})
BITS: Moves = COMMITMENT | STRAIGHT | dict(entropy_loss={'latent'})
SIMVQ: Moves = VQ | dict(codebook_loss={'projection.weight', 'projection.bias'})


def of_parts(moves: Moves, number: int = 2) -> Moves:
    """Return what the losses move of several quantizers that are alike."""
    return {
        loss: {
            name if name == 'latent' else f'quantizers.{index}.{name}'
            for name in names
            for index in range(number)
        }
        for loss, names in moves.items()
    }


def of_inner(moves: Moves) -> Moves:
    """Return what the losses move of a quantizer inside another."""
    return {
        loss: {name if name == 'latent' else f'quantizer.{name}' for name in names}
        for loss, names in moves.items()
    }


FAMILIES = {
    'vq': Family(vq(), VQ),
    'vq_legacy': Family(table('VectorQuantizer', legacy_beta=True), VQ),
    'vq_cosine': Family(vq(distance='cosine'), VQ),
    'vq_inner': Family(vq(distance='inner'), VQ, invert=setups.to_sphere),
    'vq_normalize': Family(vq(normalize=True), VQ),
    'vq_entropy': Family(vq(entropy_weight=0.1), VQ | ENTROPY),
    'vq_rotation': Family(vq(estimator='rotation'), VQ),
    'vq_kmeans': Family(vq() | dict(init='kmeans'), VQ, setup=setups.begin),
    'gumbel': Family(
        table('GumbelQuantizer'),
        GUMBEL,
        invert=setups.score_by_distance,
        margin=setups.gumbel_margin,
        noisy=True,
        like_one=False,
    ),
    'gumbel_soft': Family(
        table('GumbelQuantizer', in_dim=6, straight_through=False),
        GUMBEL,
        invert=None,
        margin=setups.gumbel_margin,
        looks_up=False,
        noisy=True,
        like_one=False,
    ),
    'ema': Family(table('EMAQuantizer'), COMMITMENT | STRAIGHT),
    'ema_kmeans': Family(
        table('EMAQuantizer', init='kmeans'), COMMITMENT | STRAIGHT, setup=setups.begin
    ),
    'ema_normalize': Family(
        table('EMAQuantizer', normalize=True), COMMITMENT | STRAIGHT
    ),
    'norm_ema': Family(
        table('NormEMAQuantizer'), COMMITMENT | STRAIGHT, setup=setups.begin
    ),
    'norm_ema_update_first': Family(
        table('NormEMAQuantizer', init='normal', update_first=True),
        COMMITMENT | STRAIGHT,
        looks_up=False,
    ),
    'kmeans': Family(
        table('KMeansQuantizer', start='random'), STRAIGHT, setup=setups.begin
    ),
    'kmeans_plus_plus': Family(
        table('KMeansQuantizer', distance='cosine'), STRAIGHT, setup=setups.begin
    ),
    'cvq': Family(table('CVQuantizer'), VQ),
    'cvq_l2': Family(table('CVQuantizer', distance='l2'), VQ),
    'cvq_unsynced': Family(table('CVQuantizer', sync=False), VQ, like_one=False),
    'cvq_random': Family(table('CVQuantizer', anchor='random'), VQ, noisy=True),
    'cvq_random_pool': Family(  # of more places than there are latents
        table('CVQuantizer', codebook_size=64, anchor='random'), VQ, noisy=True
    ),
    'cvq_probabilistic': Family(
        table('CVQuantizer', anchor='probabilistic'), VQ, noisy=True
    ),
    'cvq_contrastive': Family(
        table('CVQuantizer', contrastive_weight=0.1),
        VQ | dict(contrastive_loss={'codebook'}),
    ),
    'cvq_first_batch_only': Family(table('CVQuantizer', first_batch_only=True), VQ),
    'cvq_update_first': Family(
        table('CVQuantizer', update_first=True), VQ, looks_up=False
    ),
    'fsq': Family(
        dict(type='FSQuantizer', levels=(5, 4, 3)),
        STRAIGHT,
        source=setups.before_tanh,
        margin=setups.level_margin,
    ),
    'fsq_many': Family(
        dict(type='FSQuantizer', levels=(8, 8, 8, 5, 5, 5, 7)),
        STRAIGHT,
        source=setups.before_tanh,
        margin=setups.level_margin,
    ),
    'lfq': Family(dict(type='LFQuantizer', dim=6), BITS, margin=setups.sign_margin),
    'lfq_sub_tokens': Family(
        dict(type='LFQuantizer', dim=20, token_bits=(8, 12)),
        BITS,
        margin=setups.sign_margin,
    ),
    'bsq': Family(
        dict(type='BSQuantizer', dim=6, commitment_weight=0.1),
        BITS,
        margin=setups.sign_margin,
    ),
    'bsq_sub_tokens': Family(
        dict(type='BSQuantizer', dim=5, token_bits=(2, 3), entropy_bits=1),
        STRAIGHT | dict(entropy_loss={'latent'}),
        margin=setups.sign_margin,
    ),
    'ibq': Family(table('IBQuantizer', init='normal'), IBQ, invert=setups.to_sphere),
    'simvq': Family(table('SimVQuantizer'), SIMVQ),
    'simvq_rotation': Family(table('SimVQuantizer', estimator='rotation'), SIMVQ),
    'residual': Family(residual(vq()), of_parts(VQ, 1), invert=None),
    'residual_own': Family(
        residual(vq(), shared=False), of_parts(VQ), invert=setups.shrink_by_depth
    ),
    'residual_dropout': Family(
        residual(vq(), dropout=0.5),
        of_parts(VQ, 1),
        invert=None,
        looks_up=False,
        noisy=True,
        like_one=False,
    ),
    'residual_ema': Family(
        residual(table('EMAQuantizer')),
        COMMITMENT | STRAIGHT,
        invert=None,
        looks_up=False,
    ),
    'residual_ibq': Family(
        residual(table('IBQuantizer', init='normal'), estimator='own', shared=False),
        of_parts(IBQ),
        invert=None,
    ),
    'residual_of_product': Family(
        residual(product(vq(dim=2))),
        {
            loss: {name.replace('rs.', 'rs.0.quantizers.') for name in names}
            for loss, names in of_parts(VQ).items()
        },
        invert=None,
    ),
    'product': Family(product(vq(dim=2)), of_parts(VQ)),
    'product_lfq': Family(
        product(dict(type='LFQuantizer', dim=5, token_bits=(2, 3))),
        BITS,
        margin=setups.sign_margin,
    ),
    'remapped': Family(remapped(vq(), unknown=3), of_inner(VQ)),
    'remapped_extra': Family(
        remapped(vq(), unknown='extra'), of_inner(VQ), invert=None
    ),
    'remapped_random': Family(
        remapped(vq()), of_inner(VQ), noisy=True, always_noisy=True, like_one=False
    ),
    'remapped_ibq': Family(
        remapped(table('IBQuantizer', init='normal'), unknown=0),
        of_inner(IBQ),
        invert=None,
    ),
    'product_gumbel': Family(
        product(table('GumbelQuantizer', in_dim=3)),
        of_parts(GUMBEL),
        invert=None,
        margin=setups.gumbels_margin,
        noisy=True,
        like_one=False,
    ),
}
