"""Discriminators in checkpoints: which one it is, its config, its published names."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.conversion.rules import LEAVES, Dropped, Rule, Size, nested

PREFIX = 'discriminator.'
OMITTED = Dropped(PREFIX, 'the format has no place for it, and no image depends on it')
BLUR = (1.0, 2.0, 1.0)  # taps that LlamaGen saves with each block

_BLOCKS = f'{PREFIX}blocks.'
_BATCH_NORM = (*LEAVES, 'running_mean', 'running_var', 'num_batches_tracked')
_ACT_NORM = ('loc', 'scale', 'initialized')
_NORMS = {'norm.running_mean': 'batch', 'norm.loc': 'act'}
_STYLEGAN_ENDS = {
    'blocks.0': 'stem',
    'final_conv.0': 'head.conv',
    'final_linear.0': 'head.linear',
    'final_linear.2': 'head.logit',
}
_STYLEGAN_BLOCK = {
    'net.0': 'conv1',
    'net.2': 'conv2',
    'downsample.1': 'down',
    'conv_res': 'shortcut',
}


def kind(weights: Mapping[str, Tensor]) -> str:
    """Return what discriminator is in weights of ours.

    Returns:
        'patch' with a normalisation that published ones have, 'bare' without any,
        'stylegan', 'other', or '' for none.
    """
    if not any(key.startswith(PREFIX) for key in weights):
        return ''
    if f'{PREFIX}blocks.0.down.weight' in weights:
        return 'stylegan'
    if _norm(weights) != 'none':
        return 'patch'
    bare = {f'{PREFIX}blocks.0.conv.bias', f'{PREFIX}blocks.0.conv.weight'}
    return 'bare' if bare <= set(weights) else 'other'


def config(weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Return the config of the discriminator in weights of ours, where it is known."""
    found = kind(weights)
    stem = weights.get(f'{PREFIX}stem.weight')
    if found in ('', 'other') or stem is None:
        return None
    depth = len({key.split('.')[2] for key in weights if key.startswith(_BLOCKS)})
    width, in_dim = stem.shape[:2]
    if found == 'stylegan':
        max_dim = weights[f'{PREFIX}head.conv.weight'].shape[0]
        sizes = dict(image_size=4 << depth, max_dim=max_dim)
        return dict(type='StyleGANDiscriminator', **sizes, in_dim=in_dim)
    sizes = dict(depth=depth, width=width)
    return dict(type='PatchDiscriminator', **sizes, norm=_norm(weights), in_dim=in_dim)


def patch_rules(theirs: str) -> tuple[Rule, ...]:
    """Return the rules of a PatchGAN that is one long sequence.

    Its layers are the stem and a ReLU, then convolution, norm and ReLU in turn, and the
    head, whose number is therefore 3 * depth + 2.

    Args:
        theirs: Prefix of the sequence, with its dot.
    """
    block = f'{_BLOCKS}{{block}}.'
    return (
        Rule(f'{theirs}0.', f'{PREFIX}stem.'),
        Rule(f'{theirs}{{3*depth+2}}.', f'{PREFIX}head.'),
        Rule(f'{theirs}{{3*block+2}}.', f'{block}conv.'),
        Rule(f'{theirs}{{3*block+3}}.', f'{block}norm.', _BATCH_NORM + _ACT_NORM),
    )


def patch_depth(theirs: str) -> Size:
    """Return the size that `patch_rules` counts with."""
    return Size('depth', f'{theirs}{{3*depth+2}}.', f'{_BLOCKS}{{depth-1}}.')


def stylegan_rules(theirs: str) -> tuple[Rule, ...]:
    """Return the rules of LlamaGen's StyleGAN discriminator.

    Args:
        theirs: Its prefix, with its dot.
    """
    return (
        *nested(theirs, PREFIX, _STYLEGAN_ENDS),
        *nested(
            f'{theirs}blocks.{{block+2}}.', f'{_BLOCKS}{{block}}.', _STYLEGAN_BLOCK
        ),
    )


def _norm(weights: Mapping[str, Tensor]) -> str:
    keys = [key for key in weights if key.startswith(_BLOCKS)]
    found = (norm for end, norm in _NORMS.items() if any(k.endswith(end) for k in keys))
    return next(found, 'none')
