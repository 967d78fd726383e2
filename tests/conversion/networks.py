"""Tiny networks, and the published keys of full-size ones, for the conversion tests."""

import gzip
import json
from typing import Any

import torch
from torch import Tensor

from tests.golden_cases import OWN
from vq.registry import MODELS

GROUPS = 32


def autoencoder(
    *,
    width: int = 32,
    mults: tuple[int, ...] = (1, 2),
    depth: int = 1,
    dim: int = 4,
    attention: tuple[int, ...] = (1,),
    decoder: dict[str, Any] | None = None,
    quantizer: dict[str, Any] | None = None,
    groups: int = GROUPS,
    refine: bool = True,
    discriminator: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the config of a VQGAN whose decoder is its encoder reversed."""
    last = len(mults) - 1
    common = dict(width=width, refine=refine, latent_dim=8, norm_groups=groups)
    coders = (
        dict(type='ConvEncoder', width_mults=mults, depth=depth, attention=attention),
        dict(
            type='ConvDecoder',
            width_mults=mults[::-1],
            depth=depth + 1,
            attention=tuple(last - level for level in attention),
        ),
    )
    sizes = dict(type='VectorQuantizer', codebook_size=16, dim=dim)
    config = dict(
        type='VQGAN',
        tokenizer=dict(
            type='ImageTokenizer',
            encoder=common | coders[0],
            post_encode=dict(type='Connector', in_dim=8, out_dim=dim),
            quantizer=sizes | (quantizer or {}),
        ),
        pre_decode=dict(type='Connector', in_dim=dim, out_dim=8),
        decoder=common | coders[1] | (decoder or {}),
        reconstruction_losses={},
    )
    if discriminator is not None:
        config['discriminator'] = dict(type='PatchDiscriminator') | discriminator
        config['adversarial_loss'] = dict(type='HingeLoss')
    return config


def movq(*, dim: int = 4, **sizes: Any) -> dict[str, Any]:
    """Return the config of a VQGAN whose decoder is modulated."""
    config = autoencoder(dim=dim, **sizes)
    stem = dict(type='MoVQDecoder', latent_dim=dim, stem_dim=8)
    decoder = config['decoder'] | stem
    return config | dict(pre_decode=dict(type='Identity'), decoder=decoder)


# Several ddconfigs; each fits all three formats but where its name says otherwise.
DDCONFIGS = {
    'f2': autoencoder(),
    'f4 deep': autoencoder(mults=(1, 1, 2), depth=2, attention=(2,)),
    'f1': autoencoder(mults=(1,), attention=(0,)),
    'discriminator': autoencoder(discriminator=dict(depth=1, width=4)),
}
TAMING_ONLY = {
    'no attention in levels': autoencoder(attention=()),
    'attention in all': autoencoder(attention=(0, 1)),
    'wide at once': autoencoder(mults=(2, 1)),
    'gumbel': autoencoder(dim=8, quantizer=dict(type='GumbelQuantizer')),
    'ema': autoencoder(quantizer=dict(type='EMAQuantizer')),
}
MOVQ = {
    'movq f2': movq(),
    'movq f4 deep': movq(mults=(1, 1, 2), depth=2, attention=(1,)),
    'movq wide at once': movq(dim=6, mults=(2, 1), attention=()),
    'movq discriminator': movq(discriminator=dict(depth=1, width=4)),
    'movq gumbel': movq(dim=8, quantizer=dict(type='GumbelQuantizer')),
}

_SIZES = dict(width=16, depth=2, heads=1, mlp_ratio=2.0, latent_dim=4)
VQKD = dict(
    type='VQKD',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='ViTEncoder', in_dim=3, image_size=32, patch=8, **_SIZES),
        post_encode=dict(type='Identity'),
        quantizer=dict(type='NormEMAQuantizer', codebook_size=16, dim=4),
    ),
    decoder=dict(type='ViTDecoder', out_dim=6, grid=4, **(_SIZES | dict(depth=1))),
    teacher=None,
)


def build(config: dict[str, Any], *, seed: int = 0) -> Any:
    """Build a network whose every number is random."""
    torch.manual_seed(seed)
    model = MODELS.build(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                noise = torch.randn(value.shape, generator=generator)
                value.copy_(value + 0.02 * noise)
    return model.eval()


def published(name: str) -> dict[str, Tensor]:
    """Return the weights of a full-size published network, on the meta device."""
    path = OWN / 'key_shapes' / f'{name}.json.gz'
    keys = json.loads(gzip.decompress(path.read_bytes()))['state_dict']
    kinds = {'f32': torch.float32, 'i32': torch.int32, 'i64': torch.int64}
    return {
        key: torch.empty(shape, dtype=kinds[kind], device='meta')
        for key, (kind, shape) in keys.items()
    }


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Tell whether two state dicts hold the same bits under the same names."""
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)


def proposal(*, tied_head: bool = False, **body: Any) -> dict[str, Any]:
    """Return the config of a proposal network over 2x3 tokens of 16 codes."""
    sizes = dict(dim=16, depth=2, heads=2, grid=(2, 3))
    tiny = autoencoder(width=8, groups=4)
    parts = ('tokenizer', 'pre_decode', 'decoder')
    return dict(
        type='ProposalNetwork',
        **{name: tiny[name] for name in parts},
        transformer=sizes | body,
        classes=5,
        tied_head=tied_head,
    )


LLAMA = proposal(type='Llama', mlp_dim=40)
GPT2 = proposal(type='GPT2', mlp_ratio=2.5)
LLAMAGEN = proposal(type='Llama', mlp_dim=40, positions='grid', grid=(3, 3))
