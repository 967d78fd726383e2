"""Extractors are frozen, precise, and say where their weights are from."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.log import Records
from vq.checkpoints.files import CheckpointError
from vq.metrics.fid import FIDMetric
from vq.metrics.frechet import frechet_distance
from vq.metrics.moments import Moments
from vq.metrics.protocol import Protocol
from vq.metrics.sources import FeatureSource
from vq.metrics.statistics import Statistics
from vq.models.extractors import Extractor, Features, InceptionExtractor
from vq.registry import MODELS
from vq.types import Batch, Reconstruction


class Small(Extractor):
    """What a user may write: a convolution, a norm and an average."""

    dim = 4

    def __init__(self, *, weights: str = '', **switches: bool) -> None:
        super().__init__(weights=weights, **switches)
        self.network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU())
        self.freeze()

    def prepare(self, pixels: Tensor) -> Tensor:
        """Map to [0, 1]."""
        return pixels / 255

    def features(self, output: Any) -> Features:
        """Average."""
        return Features(pooled=output.mean((2, 3)))


def photos() -> Tensor:
    return torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8)


def by_hand(small: Small, images: Tensor) -> Tensor:
    """Return the features of a `Small` in float64."""
    conv, norm, _ = small.network.double()
    windows = nn.functional.unfold(images.double() / 255, 3)
    x = torch.einsum(
        'ok,bkn->bon', rearrange(conv.weight, 'o i h w -> o (i h w)'), windows
    )
    x = x + conv.bias[:, None]
    x = (x - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps).sqrt()
    x = x * norm.weight[:, None] + norm.bias[:, None]
    small.network.float()
    return nn.functional.gelu(x).mean(2)


@pytest.mark.parametrize('switch', ['channels_last', 'compile'])
@pytest.mark.parametrize('on', [False, True])
def test_features_are_those_of_the_network(
    switch: str, on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile = partial(torch.compile, backend='aot_eager', fullgraph=True)
    monkeypatch.setattr(torch, 'compile', compile)
    small = Small(**{'channels_last': False, switch: on})
    images = photos()
    torch.testing.assert_close(
        small(images).pooled, by_hand(small, images).float(), rtol=1e-5, atol=1e-6
    )


def test_it_is_compiled_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = []
    monkeypatch.setattr(torch, 'compile', lambda f, **_: compiled.append(f) or f)
    assert Small().state_dict().keys() == Small(compile=True).state_dict().keys()
    assert len(compiled) == 1


def test_training_and_autocast_change_nothing() -> None:
    small, images = Small(), photos()
    expected = small(images).pooled
    small.train()
    with torch.autocast('cpu', torch.bfloat16):
        actual = small(images).pooled
    assert torch.equal(actual, expected)
    assert actual.dtype == torch.float32
    assert not actual.requires_grad
    assert not any(x.requires_grad for x in small.parameters())
    assert not any(module.training for module in small.modules())
    wrapped = nn.Sequential(small).train()  # as a model that holds one
    assert torch.equal(wrapped(images).pooled, expected)


def test_coarse_products_of_the_run_are_kept_out_and_put_back() -> None:
    seen = []
    small = Small()
    small.network.register_forward_hook(
        lambda *_: seen.append(torch.get_float32_matmul_precision())
    )
    torch.set_float32_matmul_precision('high')
    try:
        small(photos())
        seen.append(torch.get_float32_matmul_precision())
    finally:
        torch.set_float32_matmul_precision('highest')
    assert seen == ['highest', 'high']


def test_pixels_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match=r'uint8 of 0 to 255, got torch\.float32'):
        Small()(photos().float())


def write(state: Any, path: Path) -> str:
    if path.suffix == '.safetensors':
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize(
    ('container', 'suffix'),
    [('', '.pth'), ('', '.safetensors'), ('state_dict', '.pth'), ('model', '.ckpt')],
)
def test_weights_come_from_the_file(
    container: str, suffix: str, tmp_path: Path
) -> None:
    there = Small()
    there.network[1].running_mean.uniform_()
    state = {
        key: value.contiguous()
        for key, value in there.network.state_dict().items()
        if not key.endswith('num_batches_tracked')
    }
    path = tmp_path / f'small{suffix}'
    write({container: state, 'epoch': 3} if container else state, path)
    small, images = Small(weights=str(path)), photos()
    assert small.stamp()['weights'] == 'random'
    small.load_pretrained()
    assert torch.equal(small(images).pooled, there(images).pooled)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert small.stamp() == dict(extractor='Small', weights=digest, dtype='float32')


def test_missing_published_weights_name_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    command = r'run: python tools/prepare_checkpoints\.py pytorch_fid'
    with torch.device('meta'):
        extractor = InceptionExtractor()
    with pytest.raises(FileNotFoundError, match=command):
        extractor.load_pretrained()


def test_a_dry_run_does_without_the_file(
    log: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Small(weights='nowhere/small.pth')
    with pytest.raises(FileNotFoundError, match='nowhere/small.pth does not exist'):
        small.load_pretrained()
    monkeypatch.setenv('DRY_RUN', 'True')
    before = {key: value.clone() for key, value in small.state_dict().items()}
    small.load_pretrained()
    after = small.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert small.stamp()['weights'] == 'random'
    assert 'dry run: Small is random: nowhere/small.pth' in log.warnings[0]


WRONG = {
    'another network': (dict(weight=torch.ones(2)), r"missing \['0\.weight'.*'weight'"),
    'a list': ([torch.ones(2)], 'holds no weights: a state dict is wanted'),
    'no tensors': (dict(epoch=3), 'holds no weights: a state dict is wanted'),
}


@pytest.mark.parametrize('kind', WRONG)
def test_a_wrong_file_is_named(kind: str, tmp_path: Path) -> None:
    state, message = WRONG[kind]
    path = write(state, tmp_path / 'wrong.pth')
    small = Small(weights=path)
    with pytest.raises(CheckpointError, match=rf'wrong\.pth.*{message}'):
        small.load_pretrained()
    assert small.sha256 == 'random'


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = Path(write(Small().network.state_dict(), tmp_path / 'half.pth'))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r'half\.pth is damaged'):
        Small(weights=str(path)).load_pretrained()


@pytest.fixture
def registered() -> Iterator[None]:
    """Register `Small`, as a user's module does by its decorator."""
    MODELS.names()  # imports the package
    kept = dict(MODELS.module_dict)
    MODELS.register_module()(Small)
    yield
    MODELS.module_dict.clear()
    MODELS.module_dict.update(kept)


class Runner:
    """What a metric asks of a validator."""

    data_protocol = Protocol(dataset='noise')
    allow_mismatch = False

    def feature_source(self, extractor: Mapping[str, Any]) -> FeatureSource:
        return FeatureSource(extractor)


@pytest.mark.usefixtures('registered')
def test_a_users_extractor_serves_fid(tmp_path: Path) -> None:
    there = Small()
    extractor = dict(type='Small', weights=str(tmp_path / 'small.pth'))
    torch.save(there.network.state_dict(), extractor['weights'])
    ours, theirs = photos(), photos()
    gaussians = []
    for images in (ours, theirs):
        moments = Moments(there.dim)
        moments.update(there(images).pooled)
        gaussians.append(moments.gaussian())
    reference = tmp_path / 'reference.safetensors'
    protocol = Protocol(dataset='noise', extractor='Small')
    Statistics(protocol=protocol, pooled=gaussians[1]).save(reference)

    metric = FIDMetric(reference=str(reference), extractor=extractor)
    metric.prepare(Runner())
    index = torch.arange(len(ours))
    batch = Batch(ours, index, index, [str(i) for i in index])
    metric.update(batch, Reconstruction(image=batch.image, quantized=None))
    assert metric.compute() == pytest.approx(frechet_distance(*gaussians), rel=1e-6)
    assert metric.protocol()['extractor'] == 'Small'
