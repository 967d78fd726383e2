"""Names of convolutional autoencoders in published code, by ours."""

from vq.conversion.rules import LEAVES, Dropped, Rule, Size

ENDS = {'conv_in': 'stem', 'norm_out': 'norm', 'conv_out': 'head'}
RESIDUAL = {
    'norm1': 'norm1',
    'conv1': 'conv1',
    'norm2': 'norm2',
    'conv2': 'conv2',
    'nin_shortcut': 'shortcut',
}
ATTENTION = {
    'norm': 'norm',
    'q': 'query',
    'k': 'key',
    'v': 'value',
    'proj_out': 'out',
}
CONNECTORS = (
    Rule('quant_conv.', 'tokenizer.post_encode.conv.'),
    Rule('post_quant_conv.', 'pre_decode.conv.'),
)
CODEBOOK = Rule('quantize.embedding.weight', 'tokenizer.quantizer.codebook')

_BATCH_NORM = (*LEAVES, 'running_mean', 'running_var', 'num_batches_tracked')
_ACT_NORM = ('loc', 'scale', 'initialized')


def patch_discriminator(theirs: str) -> tuple[Rule, ...]:
    """Return the rules of a PatchGAN that is one long sequence.

    Its layers are the stem and a ReLU, then convolution, norm and ReLU in turn, and the
    head, whose number is therefore 3 * depth + 2.

    Args:
        theirs: Prefix of the sequence, with its dot.
    """
    ours = 'discriminator.'
    block = f'{ours}blocks.{{block}}.'
    return (
        Rule(f'{theirs}0.', f'{ours}stem.'),
        Rule(f'{theirs}{{3*depth+2}}.', f'{ours}head.'),
        Rule(f'{theirs}{{3*block+2}}.', f'{block}conv.'),
        Rule(f'{theirs}{{3*block+3}}.', f'{block}norm.', _BATCH_NORM + _ACT_NORM),
    )


def patch_depth(theirs: str) -> Size:
    """Return the size that `patch_discriminator` counts with."""
    return Size('depth', f'{theirs}{{3*depth+2}}.', 'discriminator.blocks.{depth-1}.')


def lpips(theirs: str) -> Dropped:
    """Return that LPIPS is left out.

    Args:
        theirs: Its prefix, with its dot.
    """
    return Dropped(theirs, 'LPIPS is frozen: it is read from its own files')
