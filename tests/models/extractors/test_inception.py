"""Inception's features equal those of pytorch-fid and torch-fidelity."""

import functools
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange, reduce
from pytorch_fid import inception as pytorch_fid
from safetensors.torch import load_file
from skimage import data
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from tests.golden_cases import cases, described
from tests.models.extractors.weights import inception_state, write_inception
from vq.metrics.frechet import frechet_distance
from vq.metrics.moments import Moments
from vq.models.extractors import Features, InceptionExtractor
from vq.models.extractors.inception import LAYERS
from vq.registry import MODELS

TOLERANCE = 1e-4  # of the largest value


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inception(tmp_path_factory.mktemp('inception') / 'random.pth')


@pytest.fixture(scope='module')
def photos() -> Tensor:
    """Return two photographs that are not square, (2, 3, 150, 190)."""
    pictures = [data.astronaut()[:150, 100:290], data.chelsea()[60:210, 90:280]]
    return torch.stack(
        [rearrange(torch.tensor(picture), 'h w c -> c h w') for picture in pictures]
    )


def build(weights: Path, **options: Any) -> InceptionExtractor:
    cfg = dict(type='InceptionExtractor', weights=str(weights), **options)
    extractor: InceptionExtractor = MODELS.build(cfg)
    extractor.load_pretrained()
    return extractor


def assert_near(actual: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max()


@functools.cache
def state_of(path: Path) -> dict[str, Tensor]:
    """Return the weights of a case, by its recipe."""
    recipe = described(path)['inception_recipe']
    match = re.search(r'RandomState\((\d+)\)', recipe)
    assert match is not None, recipe
    return inception_state(int(match[1]))


def build_case(path: Path, **options: Any) -> InceptionExtractor:
    """Return the extractor of a case."""
    extractor = InceptionExtractor(**options)
    extractor.network.load_state_dict(state_of(path), strict=False)
    return extractor


@cases('10b')
def test_the_weights_are_those_of_the_case(path: Path) -> None:
    state = state_of(path)
    checksums = described(path)['checksums']
    assert state.keys() == checksums.keys()
    for key, expected in checksums.items():
        value = state[key].double()
        assert list(value.shape) == expected['shape']
        assert float(value.sum()) == pytest.approx(expected['sum'], abs=1e-6)
        assert float(value.abs().sum()) == pytest.approx(expected['abs_sum'])


# Which layer of ours is which of the case; what lies between them has no module.
BLOCKS = {
    0: ['Conv2d_1a_3x3', 'Conv2d_2a_3x3', 'Conv2d_2b_3x3'],
    1: ['Conv2d_3b_1x1', 'Conv2d_4a_3x3'],
    2: [f'Mixed_{name}' for name in ('5b', '5c', '5d', '6a', '6b', '6c', '6d', '6e')],
    3: ['Mixed_7a', 'Mixed_7b', 'Mixed_7c'],
}


def statistics(x: Tensor) -> Tensor:
    """Return mean, deviation and largest absolute value of each image, (b, 3)."""
    rows = rearrange(x.double(), 'b c h w -> b (c h w)')
    return torch.stack([rows.mean(1), rows.std(1), rows.abs().amax(1)], 1)


@cases('10b')
def test_every_layer_is_that_of_pytorch_fid(path: Path) -> None:
    io = load_file(path / 'io.safetensors')
    extractor = build_case(path)
    seen: dict[str, Tensor] = {}

    def look(name: str, _: Any, __: Any, output: Tensor) -> None:
        seen[name] = statistics(output)

    for block, names in BLOCKS.items():
        for number, name in enumerate(names):
            layer = extractor.network.get_submodule(name)
            layer.register_forward_hook(partial(look, f'block{block}.{number}'))
    pixels = extractor.prepare(io['in/images_uint8'].float())
    output = extractor.network(pixels)
    for layer, pooled in zip(LAYERS, output.pooled, strict=True):
        assert_near(pooled, io[f'out/pytorch_fid/pooled_{layer}'])
    prefix = 'out/pytorch_fid/layer_mean_std_absmax/'
    for name, actual in seen.items():
        (key,) = [key for key in io if key.startswith(f'{prefix}{name}.')]
        assert_near(actual, io[key])
    crop = (pixels[..., 140:150, 140:150] + 1) / 2
    assert_near(crop, io['out/pytorch_fid/resized_crop'])
    mean = reduce((pixels.double() + 1) / 2, 'b c h w -> b', 'mean')
    assert_near(mean, io['out/pytorch_fid/resized_mean'])


@cases('10b')
def test_the_other_rule_is_that_of_torch_fidelity(path: Path) -> None:
    io = load_file(path / 'io.safetensors')
    extractor = build_case(path, rule='tensorflow')
    network = extractor.network
    pixels = extractor.prepare(io['in/images_uint8'].float())
    output = network(pixels)
    for layer, pooled in zip(LAYERS, output.pooled, strict=True):
        assert_near(pooled, io[f'out/torch_fidelity/{layer}'])
    assert_near(output.logits, io['out/torch_fidelity/logits_unbiased'])
    assert_near(output.logits + network.fc.bias, io['out/torch_fidelity/logits'])
    resized = pixels * 128 + 128
    crop = resized[..., 140:150, 140:150]
    assert_near(crop, io['out/torch_fidelity/resized_crop_0_255'])
    mean = reduce(resized.double(), 'b c h w -> b', 'mean')
    assert_near(mean, io['out/torch_fidelity/resized_mean_0_255'])
    same = network((resized - 127.5) / 127.5).pooled[-1]
    assert_near(same, io['out/pytorch_fid_net_on_tf_resized/pooled_2048'])


def test_equals_pytorch_fid(
    weights: Path, photos: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(weights)
    monkeypatch.setattr(pytorch_fid, 'load_state_dict_from_url', lambda *_, **__: state)
    published = pytorch_fid.InceptionV3([0, 1, 2, 3]).eval()
    expected = [x.mean((2, 3)) for x in published(photos / 255)]
    extractor = build(weights)
    assert_near(extractor(photos).pooled, expected[-1])
    # One network is enough; what `layer` does is to choose.
    for layer, pooled in zip(LAYERS, expected, strict=True):
        extractor.dim = layer
        assert_near(extractor(photos[:1]).pooled, pooled[:1])


def test_equals_torch_fidelity(weights: Path, photos: Tensor) -> None:
    published = FeatureExtractorInceptionV3(
        'test', ['2048', 'logits_unbiased'], feature_extractor_weights_path=str(weights)
    )
    maps: list[Tensor] = []
    published.Mixed_6d.branch1x1.register_forward_hook(
        lambda *hook: maps.append(hook[2])
    )
    pooled, logits = published(photos)
    extractor = build(weights, rule='tensorflow')
    features = extractor(photos)
    assert_near(features.pooled, pooled)
    assert features.logits is not None and features.spatial is not None
    assert_near(features.logits, logits)
    # As ADM's evaluator flattens it: NHWC.
    channels_last = rearrange(maps[0], 'b c h w -> b h w c')[..., :7]
    assert_near(features.spatial, channels_last.reshape(len(photos), -1))
    lengths = (extractor.dim, extractor.classes, extractor.spatial_dim)
    assert lengths == (pooled.shape[1], logits.shape[1], features.spatial.shape[1])


def test_layers_and_rules_have_their_own_stamps() -> None:
    with torch.device('meta'):
        one = InceptionExtractor()
        other = InceptionExtractor(layer=64, rule='tensorflow')
    stamp = dict(weights='random', dtype='float32')
    assert one.stamp() == stamp | dict(extractor='Inception', resizer='pytorch-fid')
    assert other.stamp() == stamp | dict(extractor='Inception 64', resizer='tensorflow')
    assert (one.dim, other.dim) == (2048, 64)


def fid(features: Tensor) -> float:
    """Return FID between the first and the second half of some images."""
    both = (Moments(features.shape[1]), Moments(features.shape[1]))
    for moments, half in zip(both, features.chunk(2), strict=True):
        moments.update(half)
    return frechet_distance(*(moments.gaussian() for moments in both))


@pytest.mark.parametrize('switch', ['channels_last', 'compile'])
def test_switches_change_nothing(
    switch: str, weights: Path, photos: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tracing is what may go wrong here; the default backend takes a minute.
    compile = partial(torch.compile, backend='eager', fullgraph=True)
    monkeypatch.setattr(torch, 'compile', compile)
    images = torch.cat([photos, 255 - photos])
    pooled = []
    seen: list[Features] = []
    for on in (False, True):
        options = {'channels_last': False, switch: on}
        extractor = build(weights, layer=192, **options)  # FID of 2,048 takes longer
        # Batches of another size would be compiled anew.
        batches = [extractor(batch) for batch in images.split(2)]
        pooled.append(torch.cat([batch.pooled for batch in batches]))
        seen.append(batches[0])
    for name in ('pooled', 'spatial', 'logits'):
        assert_near(getattr(seen[1], name), getattr(seen[0], name))
    assert fid(pooled[1]) == pytest.approx(fid(pooled[0]), abs=1e-3)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(rule='scipy'), "one of pytorch-fid, tensorflow, clean-fid, got 'scipy'"),
        (dict(layer=512), r'layer must be one of \(64, 192, 768, 2048\), got 512'),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InceptionExtractor(**options)


@pytest.mark.gpu
def test_a_gpu_sees_what_the_cpu_sees(weights: Path, photos: Tensor) -> None:
    extractor = build(weights)
    expected = extractor(photos)
    torch.set_float32_matmul_precision('high')  # as a run with tf32=True does
    try:
        actual = extractor.cuda()(photos.cuda())
    finally:
        torch.set_float32_matmul_precision('highest')
    for name in ('pooled', 'spatial', 'logits'):
        assert_near(getattr(actual, name).cpu(), getattr(expected, name))
