"""Names and shapes of published networks, from their own settings alone.

Written down from the architectures, not from our modules or rules: what these build and
what those rename is compared with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
_Item = tuple[str, Shape]
RECENT = 65536  # tokens that LlamaGen's quantizer keeps a list of


def autoencoder(
    ddconfig: Mapping[str, Any],
    *,
    codebook_size: int,
    dim: int,
    quantizer: str = 'vector',
    spatial: bool = False,
) -> Shapes:
    """Return the keys of taming-transformers' VQModel, or of MoVQGAN's MOVQ.

    Args:
        ddconfig: Its own arguments of encoder and decoder.
        codebook_size: Number of codes.
        dim: Their channels.
        quantizer: 'vector', 'ema' or 'gumbel'.
        spatial: Whether the decoder's normalisations look at the latent.
    """
    latent_dim = ddconfig['z_channels']
    table = {'vector': 'embedding', 'ema': 'embedding', 'gumbel': 'embed'}[quantizer]
    shapes = {
        **dict(_encoder(ddconfig)),
        **dict(_decoder(ddconfig, dim if spatial else 0)),
        f'quantize.{table}.weight': (codebook_size, dim),
        **dict(_conv('quant_conv', latent_dim, dim, 1)),
        **dict(_conv('post_quant_conv', dim, latent_dim, 1)),
    }
    if quantizer == 'ema':
        shapes['quantize.embedding.cluster_size'] = (codebook_size,)
        shapes['quantize.embedding.embed_avg'] = (codebook_size, dim)
    if quantizer == 'gumbel':
        shapes |= _conv('quantize.proj', latent_dim, codebook_size, 1)
    return shapes


def patch_discriminator(
    prefix: str, *, depth: int, width: int, in_dim: int, act: bool = False
) -> Shapes:
    """Return the keys of pix2pix' discriminator, one long sequence.

    Args:
        prefix: Of all names, with its dot.
        depth: Strided convolutions.
        width: Channels of the first.
        in_dim: Channels of an image.
        act: Whether ActNorms stand in the place of batch normalisations.
    """
    dims = [width * min(2**i, 8) for i in range(depth + 1)]
    shapes = dict(_conv(f'{prefix}0', in_dim, width, 4))
    for i in range(depth):
        conv, norm = f'{prefix}{3 * i + 2}', f'{prefix}{3 * i + 3}'
        out_dim = dims[i + 1]
        shapes |= _conv(conv, dims[i], out_dim, 4, bias=act)
        if act:
            scale = (1, out_dim, 1, 1)
            shapes |= {f'{norm}.loc': scale, f'{norm}.scale': scale}
            shapes[f'{norm}.initialized'] = ()
        else:
            names = ('weight', 'bias', 'running_mean', 'running_var')
            shapes |= {f'{norm}.{name}': (out_dim,) for name in names}
            shapes[f'{norm}.num_batches_tracked'] = ()
    return shapes | dict(_conv(f'{prefix}{3 * depth + 2}', dims[-1], 1, 4))


def stylegan_discriminator(prefix: str, *, image_size: int) -> Shapes:
    """Return the keys of LlamaGen's StyleGAN discriminator.

    Args:
        prefix: Of all names, with its dot.
        image_size: Pixels a side, a power of two; 64 channels at 256 px, twice as many
            at the half, 512 at most.
    """
    side, block = image_size, 2  # the activation counts as block 1
    dims = {
        image_size >> i: min(512, 16384 // (image_size >> i))
        for i in range(20)
        if image_size >> i >= 4
    }
    shapes = dict(_conv(f'{prefix}blocks.0', 3, dims[side], 3))
    while side > 4:
        name, dim, out_dim = f'{prefix}blocks.{block}', dims[side], dims[side // 2]
        shapes |= _conv(f'{name}.conv_res', dim, out_dim, 1)
        shapes |= _conv(f'{name}.net.0', dim, out_dim, 3)
        shapes |= _conv(f'{name}.net.2', out_dim, out_dim, 3)
        shapes[f'{name}.downsample.0.f'] = (3,)
        shapes |= _conv(f'{name}.downsample.1', out_dim, out_dim, 3)
        side, block = side // 2, block + 1
    shapes |= _conv(f'{prefix}final_conv.0', 512, 512, 3)
    shapes[f'{prefix}final_linear.0.weight'] = (512, 512 * 4 * 4)
    shapes[f'{prefix}final_linear.0.bias'] = (512,)
    shapes[f'{prefix}final_linear.2.weight'] = (1, 512)
    shapes[f'{prefix}final_linear.2.bias'] = (1,)
    return shapes


def llamagen_vq(mults: Sequence[int], *, codebook_size: int, dim: int) -> Shapes:
    """Return the keys of LlamaGen's VQModel; attention at the lowest resolution."""
    settings = dict(
        in_channels=3,
        out_ch=3,
        ch=128,
        ch_mult=mults,
        num_res_blocks=2,
        z_channels=256,
        resolution=1 << len(mults),
        attn_resolutions=[2],
    )
    renamed: Shapes = {}
    found = autoencoder(settings, codebook_size=codebook_size, dim=dim)
    for key, shape in found.items():
        part, *words = key.split('.')
        if words and words[0] in ('down', 'up'):
            # It counts the decoder's levels from the lowest resolution.
            level = int(words[1])
            level = level if words[0] == 'down' else len(mults) - 1 - level
            rest = ['res' if word == 'block' else word for word in words[2:]]
            words = ['conv_blocks', str(level), *rest]
        elif words and words[0] == 'mid':
            place = {'block_1': '0', 'attn_1': '1', 'block_2': '2'}[words[1]]
            words = ['mid', place, *words[2:]]
        renamed['.'.join([part, *words])] = shape
    return renamed | {'quantize.codebook_used': (RECENT,)}


def llamagen_gpt(*, dim: int, depth: int, codebook_size: int, classes: int) -> Shapes:
    """Return the keys of LlamaGen's class-conditional transformer."""
    mlp_dim = -(-(2 * 4 * dim // 3) // 256) * 256
    shapes: Shapes = {
        'tok_embeddings.weight': (codebook_size, dim),
        'cls_embedding.embedding_table.weight': (classes + 1, dim),
        'norm.weight': (dim,),
        'output.weight': (codebook_size, dim),
    }
    for block in range(depth):
        for name, shape in {
            'attention.wqkv': (3 * dim, dim),
            'attention.wo': (dim, dim),
            'feed_forward.w1': (mlp_dim, dim),
            'feed_forward.w3': (mlp_dim, dim),
            'feed_forward.w2': (dim, mlp_dim),
            'attention_norm': (dim,),
            'ffn_norm': (dim,),
        }.items():
            shapes[f'layers.{block}.{name}.weight'] = shape
    return shapes


def _encoder(ddconfig: Mapping[str, Any]) -> Iterator[_Item]:
    width, mults = ddconfig['ch'], list(ddconfig['ch_mult'])
    side, dim = ddconfig['resolution'], width
    yield from _conv('encoder.conv_in', ddconfig['in_channels'], width, 3)
    for level, mult in enumerate(mults):
        name, out_dim = f'encoder.down.{level}', width * mult
        for block in range(ddconfig['num_res_blocks']):
            yield from _residual(f'{name}.block.{block}', dim, out_dim, 0)
            if side in ddconfig['attn_resolutions']:
                yield from _attention(f'{name}.attn.{block}', out_dim, 0)
            dim = out_dim
        if level + 1 < len(mults):
            yield from _conv(f'{name}.downsample.conv', dim, dim, 3)
            side //= 2
    yield from _mid('encoder.mid', dim, 0)
    yield from _norm('encoder.norm_out', dim, 0)
    latent_dim = ddconfig['z_channels'] * (2 if ddconfig.get('double_z') else 1)
    yield from _conv('encoder.conv_out', dim, latent_dim, 3)


def _decoder(ddconfig: Mapping[str, Any], condition: int) -> Iterator[_Item]:
    width, mults = ddconfig['ch'], list(ddconfig['ch_mult'])
    side, dim = ddconfig['resolution'] >> (len(mults) - 1), width * mults[-1]
    yield from _conv('decoder.conv_in', ddconfig['z_channels'], dim, 3)
    yield from _mid('decoder.mid', dim, condition)
    for level in reversed(range(len(mults))):
        name, out_dim = f'decoder.up.{level}', width * mults[level]
        for block in range(ddconfig['num_res_blocks'] + 1):
            yield from _residual(f'{name}.block.{block}', dim, out_dim, condition)
            if side in ddconfig['attn_resolutions']:
                yield from _attention(f'{name}.attn.{block}', out_dim, condition)
            dim = out_dim
        if level:
            yield from _conv(f'{name}.upsample.conv', dim, dim, 3)
            side *= 2
    yield from _norm('decoder.norm_out', dim, condition)
    yield from _conv('decoder.conv_out', dim, ddconfig['out_ch'], 3)


def _mid(name: str, dim: int, condition: int) -> Iterator[_Item]:
    yield from _residual(f'{name}.block_1', dim, dim, condition)
    yield from _attention(f'{name}.attn_1', dim, condition)
    yield from _residual(f'{name}.block_2', dim, dim, condition)


def _residual(name: str, dim: int, out_dim: int, condition: int) -> Iterator[_Item]:
    yield from _norm(f'{name}.norm1', dim, condition)
    yield from _conv(f'{name}.conv1', dim, out_dim, 3)
    yield from _norm(f'{name}.norm2', out_dim, condition)
    yield from _conv(f'{name}.conv2', out_dim, out_dim, 3)
    if dim != out_dim:
        yield from _conv(f'{name}.nin_shortcut', dim, out_dim, 1)


def _attention(name: str, dim: int, condition: int) -> Iterator[_Item]:
    yield from _norm(f'{name}.norm', dim, condition)
    for part in ('q', 'k', 'v', 'proj_out'):
        yield from _conv(f'{name}.{part}', dim, dim, 1)


def _norm(name: str, dim: int, condition: int) -> Iterator[_Item]:
    """Yield a normalisation, modulated where the condition has channels."""
    inner = f'{name}.norm_layer' if condition else name
    yield f'{inner}.weight', (dim,)
    yield f'{inner}.bias', (dim,)
    if condition:
        yield from _conv(f'{name}.conv_y', condition, dim, 1)
        yield from _conv(f'{name}.conv_b', condition, dim, 1)


def _conv(
    name: str, dim: int, out_dim: int, kernel: int, *, bias: bool = True
) -> Iterator[_Item]:
    yield f'{name}.weight', (out_dim, dim, kernel, kernel)
    if bias:
        yield f'{name}.bias', (out_dim,)
