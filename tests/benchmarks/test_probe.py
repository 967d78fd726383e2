"""What benchmarks/probe.py reads from a tokenizer, and what it prints."""

import importlib
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional

from vq.registry import MODELS
from vq.types import Batch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Return the benchmark as a module that writes to a folder of the test's."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    module = importlib.import_module('probe')
    monkeypatch.setattr(module, 'FOLDER', tmp_path)
    return module


def pictures(number: int) -> Batch:
    """Return noise of two classes, of which the second is brighter."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 128, (number, 3, 32, 32), generator=generator)
    category = torch.arange(number) % 2
    image = (noise + 127 * category[:, None, None, None]).to(torch.uint8)
    ids = [str(i) for i in range(number)]
    return Batch(image, category, torch.arange(number), ids)


def vqkd(benchmark: Any, name: str, images: Batch, encoder: str = 'conv') -> Any:
    """Return the config of a VQ-KD with the teacher of this name."""
    tokenizer = benchmark.tokenizer_config(encoder)
    return benchmark.vqkd(tokenizer, name, images, benchmark.FOLDER, depth=1)


@pytest.mark.parametrize('encoder', ['conv', 'vit'])
def test_features_are_means_by_brute_force(benchmark: Any, encoder: str) -> None:
    images = pictures(3)
    config = vqkd(benchmark, 'random', images, encoder)
    model = MODELS.build(config).eval()
    found = benchmark.features(model, images)
    tokenizer, rows = model.tokenizer, range(len(images))
    with torch.no_grad():
        tokens = tokenizer.tokenize(images.image)
        latent = functional.normalize(tokenizer.encode(images.image), dim=1)
    counts = [torch.bincount(tokens[i].flatten(), minlength=256) for i in rows]
    assert torch.equal(found['codes'], torch.stack(counts) / 64)
    codes = tokenizer.quantizer.codes()
    by_count = torch.stack(counts).float() @ codes / 64
    torch.testing.assert_close(found['tokens'], by_count)
    torch.testing.assert_close(found['latents'], latent.flatten(2).mean(2))
    assert found['teacher'].shape == (3, 64)


@pytest.mark.parametrize('name', ['components', 'random'])
def test_teachers_take_the_weights_that_were_made(benchmark: Any, name: str) -> None:
    images = pictures(2)
    config = vqkd(benchmark, name, images)
    told = MODELS.build(config)
    assert told.decoder.out_dim == told.teacher.out_dim
    told.teacher.load_pretrained()
    assert told.teacher.sha256 != 'random'
    assert told.teacher(images.original_image).shape[-2:] == (8, 8)


def test_a_teacher_learns_classes(benchmark: Any) -> None:
    teachers = importlib.import_module('probe_teachers')
    torch.manual_seed(0)
    images = pictures(8)
    teacher = teachers.ConvTeacher(weights='')
    head = teachers.learn_classes(teacher, images, 4)
    with torch.no_grad():
        logits = head(teacher(images.original_image).mean((2, 3)))
    assert torch.equal(logits.argmax(1), images.category)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_rates_warm_up_then_fall_by_a_cosine(benchmark: Any) -> None:
    from vq.runners.schedules import Schedule

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = Schedule(optimizer, benchmark.schedule(150))
    rates = []
    for _ in range(150):
        rates.append(optimizer.param_groups[0]['lr'])
        schedule.step({})
    for i in (0, 20, 49):
        assert rates[i] == pytest.approx(0.01 + 0.99 * i / 50)
    for i in (50, 100, 149):
        cosine = (1 + math.cos(math.pi * (i - 50) / 100)) / 2
        assert rates[i] == pytest.approx(cosine, abs=1e-6)


def test_pictures_that_come_again_keep_their_tokens(benchmark: Any) -> None:
    images = pictures(6).image
    tokenizer = MODELS.build(benchmark.tokenizer_config('conv')).eval()
    order = torch.tensor([2, 0, 5, 2])
    seen: list[int] = []
    with torch.no_grad():
        expected = tokenizer.tokenize(images)
        tokenizer.encoder.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
        benchmark.remember(tokenizer)
        first, again = tokenizer.tokenize(images[:4]), tokenizer.tokenize(images[order])
    assert torch.equal(first, expected[:4])
    assert torch.equal(again, expected[order])
    assert seen == [4, 1]


def test_regression_counts_what_is_right(benchmark: Any) -> None:
    centres = 5 * torch.eye(3)
    classes = torch.arange(30) % 3
    seen = centres[classes] + 0.1 * torch.arange(30)[:, None].sin()
    wrong = classes[:8].clone()
    wrong[:2] = (wrong[:2] + 1) % 3
    assert benchmark.regression(seen, classes, seen[:8], wrong) == 6 / 8


def test_what_was_measured_is_not_measured_again(benchmark: Any) -> None:
    result = dict(seconds=1.0, usage=0.5)
    folder = benchmark.FOLDER / 'conv_pixels_1_7_2'
    folder.mkdir()
    (folder / 'result.json').write_text(json.dumps(result))
    assert benchmark.measure('conv', 'pixels', 2, iters=7, depth=1) == result


def test_rows_are_means_and_deviations(benchmark: Any) -> None:
    common = dict(usage=0.5, perplexity=7.0, task=20.0, seconds=3.0)
    results = [
        dict(common, latents=share, tokens=0.5, codes=0.25, probe=share)
        for share in (0.2, 0.3, 0.4)
    ]
    assert benchmark.row('conv', 'pixels', results) == (
        '| conv | pixels |  | 30.0 ± 10.0 | 50.0 ± 0.0 | 25.0 ± 0.0 | 30.0 ± 10.0 | '
        '50% | 7 | 20.0 dB | 3 |'
    )
    assert len(benchmark.head()[0].split('|')) == 13
