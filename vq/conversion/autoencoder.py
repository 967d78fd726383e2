"""Names of convolutional autoencoders in published code, by ours."""

from vq.conversion.rules import Dropped, Rule

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


def lpips(theirs: str) -> Dropped:
    """Return that LPIPS is left out.

    Args:
        theirs: Its prefix, with its dot.
    """
    return Dropped(theirs, 'LPIPS is frozen: it is read from its own files')
