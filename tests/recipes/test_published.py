"""Names and shapes by hand: those of published networks, and of golden tiny ones."""

import pytest

from tests.conversion import networks
from tests.golden_cases import cases, described
from tests.models.golden import Case
from vq.recipes import published

TAMING = dict(
    z_channels=256,
    resolution=256,
    in_channels=3,
    out_ch=3,
    ch=128,
    ch_mult=[1, 1, 2, 2, 4],
    num_res_blocks=2,
    attn_resolutions=[16],
)
F8 = TAMING | dict(ch_mult=[1, 1, 2, 4], attn_resolutions=[32])
MOVQ = TAMING | dict(z_channels=4, ch_mult=[1, 2, 2, 4], attn_resolutions=[32])
MAIN = 'loss.discriminator.main.'


def patch(prefix, depth):
    return published.patch_discriminator(prefix, depth=depth, width=64, in_dim=3)


def movq(**changes):
    settings = MOVQ | changes
    return published.autoencoder(settings, codebook_size=16384, dim=4, spatial=True)


FULL = {
    'taming_vqgan_imagenet_f16_1024': published.autoencoder(
        TAMING, codebook_size=1024, dim=256
    )
    | patch(MAIN, 3),
    'taming_vqgan_imagenet_f16_16384': published.autoencoder(
        TAMING, codebook_size=16384, dim=256
    )
    | patch(MAIN, 2),
    'taming_gumbel_openimages_f8_8192': published.autoencoder(
        F8, codebook_size=8192, dim=256, quantizer='gumbel'
    )
    | patch(MAIN, 2),
    'movqgan_67M': movq(),
    'movqgan_102M': movq(num_res_blocks=4),
    'movqgan_270M': movq(ch=256),
    'llamagen_vq_ds16_c2i': published.llamagen_vq(
        (1, 1, 2, 2, 4), codebook_size=16384, dim=8
    ),
    'llamagen_vq_ds8_c2i': published.llamagen_vq(
        (1, 2, 2, 4), codebook_size=16384, dim=8
    ),
    'llamagen_vqloss_patchgan_discriminator': patch('discriminator.main.', 3),
    'llamagen_stylegan_discriminator_256': published.stylegan_discriminator(
        '', image_size=256
    ),
    **{
        f'llamagen_c2i_GPT-{name}': published.llamagen_gpt(
            dim=dim, depth=depth, codebook_size=16384, classes=1000
        )
        for name, dim, depth in (('B', 768, 12), ('L', 1024, 24), ('XL', 1280, 36))
    },
}


@pytest.mark.parametrize('name', FULL)
def test_full_size(name):
    theirs = networks.published(name)
    shapes = {
        key: tuple(value.shape)
        for key, value in theirs.items()
        if not key.startswith('loss.perceptual_loss.')
    }
    assert FULL[name] == shapes


def test_statistics_of_averages():
    shapes = published.autoencoder(TAMING, codebook_size=1024, dim=256, quantizer='ema')
    theirs = networks.published('taming_emavq_quantize_n1024_d256')
    found = {k: v for k, v in shapes.items() if k.startswith('quantize.')}
    assert found == {key: tuple(value.shape) for key, value in theirs.items()}


@cases('06_movq')
def test_golden_movq(path):
    config = described(path)['config']
    shapes = published.autoencoder(
        config['ddconfig'],
        codebook_size=config['n_embed'],
        dim=config['embed_dim'],
        spatial=True,
    )
    weights = Case(path).weights
    assert shapes == {key: tuple(value.shape) for key, value in weights.items()}
