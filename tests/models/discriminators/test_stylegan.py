"""StyleGANDiscriminator: parity with LlamaGen's (07c), and its full size."""

import gzip
import json
import re

import pytest
import torch

from tests.golden_cases import OWN, cases
from tests.models import golden
from vq.models import StyleGANDiscriminator

ENDS = {
    'blocks.0.': 'stem.',
    'final_conv.0.': 'head.conv.',
    'final_linear.0.': 'head.linear.',
    'final_linear.2.': 'head.logit.',
}
BLOCK = {
    'conv_res': 'shortcut',
    'net.0': 'conv1',
    'net.2': 'conv2',
    'downsample.1': 'down',
}


def ours(key):
    """Return our name of an original's key; None for the kernel of its blur."""
    for end, mine in ENDS.items():
        if key.startswith(end):
            return mine + key.removeprefix(end)
    block, layer, leaf = re.fullmatch(r'blocks\.(\d+)\.(.*)\.(\w+)', key).groups()
    if leaf == 'f':
        return None
    return f'blocks.{int(block) - 2}.{BLOCK[layer]}.{leaf}'


@cases('07c_')
def test_parity_with_the_original(path):
    case = golden.Case(path)
    weights = golden.under(case.weights, 'stylegan.')
    expected = golden.under(case.outputs, 'stylegan/')
    max_dim = 512 // case.config['ch_div']
    module = StyleGANDiscriminator(
        image_size=case.config['stylegan_res'], max_dim=max_dim
    )
    module.load_state_dict({ours(k): v for k, v in weights.items() if ours(k)})
    image = case.inputs['xs'].clone().requires_grad_()
    logits = module(image)
    golden.close_values(logits, expected['logits'])
    logits.square().mean().backward()
    golden.close_gradients(image.grad, expected['grad_x_of_mean_square'])
    norms = golden.under(expected, 'gradnorm/')
    assert len(norms) == len(list(module.parameters()))
    for key, value in norms.items():
        gradient = module.get_parameter(ours(key)).grad
        golden.close_gradients(gradient.norm(), value)
    blur = module.blocks[0].blur
    golden.close_values(blur(case.inputs['xs']), expected['blur_of_x'])
    for key, value in weights.items():
        assert ours(key) or torch.equal(value, torch.tensor([1.0, 2.0, 1.0]))


def test_full_size():
    path = OWN / 'key_shapes' / 'llamagen_stylegan_discriminator_256.json.gz'
    state = json.loads(gzip.decompress(path.read_bytes()))['state_dict']
    expected = {ours(key): tuple(shape) for key, (_, shape) in state.items()}
    expected.pop(None)
    with torch.device('meta'):
        module = StyleGANDiscriminator()
        logits = module(torch.empty(2, 3, 256, 256))
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    assert shapes == expected
    assert logits.shape == (2, 1)


def test_drawn_after_the_meta_device_as_without_it():
    with torch.device('meta'):
        module = StyleGANDiscriminator(image_size=8, max_dim=4)
    torch.manual_seed(1)
    module.to_empty(device='cpu').reset_parameters()
    torch.manual_seed(1)
    expected = StyleGANDiscriminator(image_size=8, max_dim=4)
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(module(image), expected(image))


def test_wrong_sizes():
    with pytest.raises(ValueError, match='power of two from 8 up, got 12'):
        StyleGANDiscriminator(image_size=12)
    module = StyleGANDiscriminator(image_size=8, max_dim=4)
    with pytest.raises(ValueError, match='got 16 x 16'):
        module(torch.empty(1, 3, 16, 16))
