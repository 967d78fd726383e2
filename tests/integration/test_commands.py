"""The commands, one after the other, agree with each other and with the parts."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.integration.train import CONFIG
from vq import cli, commands, inference, paths, test, train, val
from vq.checkpoints import Checkpoint, state_hash
from vq.config import load
from vq.datasets.tokens import TokenDataset
from vq.images import normalize, save_png, to_uint8
from vq.logs import read_json_lines
from vq.registry import DATASETS, MODELS
from vq.tasks.image_tokenization import tokenize

REPO = Path(__file__).parents[2]
MODEL = 'work_dirs/tiny/checkpoints/iter_12/model.pth'


def run(module: object, parser: Callable[[], object], *words: str) -> None:
    """Run a command in this process."""
    args = parser().parse_args([str(word) for word in words])  # type: ignore[attr-defined]
    commands.command(module.run)(args)  # type: ignore[attr-defined]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the repository, without data or weights."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    return tmp_path


@pytest.fixture
def trained(root: Path) -> torch.nn.Module:
    """Train the tiny model as run 'tiny', and return it."""
    run(train, cli.train_parser, 'tiny', CONFIG)
    model = MODELS.build(load(CONFIG).validator.model)
    saved = Checkpoint(root / 'work_dirs/tiny/checkpoints/iter_12')
    model.load_state_dict(saved.read('model'))
    return model.eval()


def test_the_tour(root: Path, trained: torch.nn.Module) -> None:
    run(val, cli.val_parser, 'tiny', CONFIG)
    words = ['tiny', CONFIG, '--load-model-from', MODEL]
    run(test, cli.test_parser, *words, '--tokenize', '--visual', 'recon.*')
    run(tokenize, cli.tokenize_parser, *words)

    work_dirs = root / 'work_dirs'
    validated = read_json_lines(work_dirs / 'tiny/val/metrics.jsonl')
    tested = read_json_lines(work_dirs / 'tiny_test/metrics.jsonl')[-1]
    assert [r['checkpoint'] for r in validated] == [
        'iter_3',
        'iter_6',
        'iter_9',
        'iter_12',
    ]
    assert (
        tested.items()
        >= {
            k: v
            for k, v in validated[-1].items()
            if k not in ('checkpoint', 'iteration')
        }.items()
    )

    dataset = DATASETS.build(load(CONFIG).validator.dataset)
    one, other = (
        TokenDataset(work_dirs / name / 'tokens')
        for name in ('tiny_test', 'tiny_tokenize')
    )
    assert one.meta == other.meta
    assert one.meta.tokenizer == state_hash(trained.tokenizer.state_dict())
    with torch.no_grad():
        for i in range(len(dataset)):
            image = normalize(dataset[i].original_image[None])
            assert torch.equal(one[i][0], trained.tokenizer.tokenize(image)[0])
            assert torch.equal(one[i][0], other[i][0])
            assert one[i][2] == other[i][2] == dataset[i].id
    assert len(list((work_dirs / 'tiny_test/unbatched_visual').iterdir())) == len(
        dataset
    )


def test_inference_resizes_and_crops_as_the_validator(
    root: Path, trained: torch.nn.Module
) -> None:
    picture = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    save_png(picture, root / 'in' / 'picture.png')
    words = [CONFIG, root / 'in' / 'picture.png', '--load-model-from', MODEL]
    run(inference, cli.inference_parser, *words, '--out', root / 'cropped')
    run(inference, cli.inference_parser, *words, '--no-crop', '--out', root / 'whole')
    validator = load(CONFIG).validator
    folder = dict(type='FolderDataset', data_root=str(root / 'in'), transforms=[])
    for name, transforms in (
        ('cropped', validator.dataset.transforms),
        ('whole', []),
    ):
        image = DATASETS.build({**folder, 'transforms': transforms})[0].original_image
        with torch.no_grad():
            expected = trained(normalize(image[None]))
        tokens = np.load(root / name / 'picture_tokens.npy')
        assert np.array_equal(tokens, expected.quantized.tokens[0].numpy())
        assert to_uint8(expected.image).shape[2:] == image.shape[1:]
        assert (root / name / 'picture.png').is_file()


def test_only_validation_needs_the_weights_of_metrics(
    root: Path, trained: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    save_png(torch.zeros(3, 40, 60, dtype=torch.uint8), root / 'picture.png')
    lpips = ['--override', ".validator.metrics.lpips:dict(type='LPIPSMetric')"]
    weights = ['--load-model-from', MODEL, *lpips]
    run(inference, cli.inference_parser, CONFIG, root / 'picture.png', *weights)
    run(tokenize, cli.tokenize_parser, 'tiny', CONFIG, *weights)
    assert (root / 'work_dirs/tiny_tokenize/tokens/meta.json').is_file()
    with pytest.raises(SystemExit):
        run(test, cli.test_parser, 'tiny', CONFIG, *weights)
    out = capsys.readouterr().out
    assert 'prepare_checkpoints.py torchvision' in out
    assert '.validator.metrics.lpips:None' in out


def test_a_size_that_the_network_does_not_take(
    root: Path, trained: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    save_png(torch.zeros(3, 21, 30, dtype=torch.uint8), root / 'odd.png')
    words = [CONFIG, root / 'odd.png', '--load-model-from', MODEL, '--no-crop']
    with pytest.raises(SystemExit, match='1'):
        run(inference, cli.inference_parser, *words)
    assert 'odd.png is 30x21; the network takes sides that 2' in capsys.readouterr().out


@pytest.mark.parametrize('ema', [False, True])
def test_validation_takes_the_weights_asked_for(root: Path, ema: bool) -> None:
    run(train, cli.train_parser, 'tiny', CONFIG)
    folder = 'work_dirs/tiny/checkpoints/iter_12'
    flag = ['--ema'] if ema else []
    run(test, cli.test_parser, 'tiny', CONFIG, '--load-model-from', folder, *flag)
    file = f'{folder}/{"ema" if ema else "model"}.safetensors'
    run(test, cli.test_parser, 'other', CONFIG, '--load-model-from', file)
    one, other = (
        read_json_lines(root / f'work_dirs/{name}_test/metrics.jsonl')[-1]
        for name in ('tiny', 'other')
    )
    assert one['psnr'] == other['psnr']


def test_the_token_store_refuses_another_tokenizer(
    root: Path, trained: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ['tiny', CONFIG, '--load-model-from']
    run(tokenize, cli.tokenize_parser, *words, MODEL)
    before = (root / 'work_dirs/tiny_tokenize/tokens/meta.json').read_bytes()
    with pytest.raises(SystemExit):
        run(tokenize, cli.tokenize_parser, *words, MODEL.replace('12', '3'))
    assert (root / 'work_dirs/tiny_tokenize/tokens/meta.json').read_bytes() == before
    assert 'tokenizer' in capsys.readouterr().out


def test_dry_run_needs_neither_data_nor_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    config = REPO / 'configs/vqgan/1024_imagenet_ddp.py'
    small = ['--config-options', 'image_size:32', '--override']
    widths = ['model.tokenizer.encoder.width:32', 'model.decoder.width:32']
    train_words = [*small, *(f'.trainer.{w}' for w in widths)]
    val_words = [*small, *(f'.validator.{w}' for w in widths)]
    run(train, cli.train_parser, 'big', config, *train_words)
    names = ['iter_1', 'iter_8']
    run(val, cli.val_parser, 'big', config, *val_words, '--load-from', *names)
    folder = root / 'work_dirs/dry_run/big'
    records = read_json_lines(folder / 'val/metrics.jsonl')
    assert [record['checkpoint'] for record in records] == names
    assert all(math.isnan(record['fid']) for record in records)  # there is no reference
    model = ['--load-model-from', 'work_dirs/dry_run/big/checkpoints/iter_7/model.pth']
    words = ['big', config, *val_words]
    run(test, cli.test_parser, *words, *model, '--tokenize')
    run(tokenize, cli.tokenize_parser, *words, *model, '--train')
    run(tokenize, cli.tokenize_parser, 'none', config, *val_words)
    save_png(torch.zeros(3, 50, 70, dtype=torch.uint8), root / 'x.png')
    run(inference, cli.inference_parser, config, root / 'x.png', *val_words)
    out = capsys.readouterr().out
    assert 'dry run: synthetic images stand in' in out
    assert 'dry run: the weights are random' in out
    meta = json.loads(
        (folder.parent / 'big_tokenize_train/tokens/meta.json').read_text()
    )
    assert (meta['number'], meta['grid']) == (4, [2, 2])
