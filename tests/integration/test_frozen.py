"""A decoder is trained for a frozen tokenizer, which is found again by itself."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.integration.decoder import (
    ANEW,
    CONFIG,
    DECODER,
    TOKENIZER,
    WHOLE,
    run,
    train_decoder,
    train_on_ranks,
)
from tests.integration.train import assert_same, checkpoint
from tests.log import Records
from tests.ranks import run_ranks
from tests.runs import job
from vq import export, inference, paths, test, train, val
from vq.checkpoints import CheckpointError, read_file, state_hash
from vq.checkpoints.files import sha256
from vq.config import load
from vq.images import normalize, save_png
from vq.logs import read_json_lines
from vq.registry import MODELS, RUNNERS
from vq.runners import Trainer
from vq.tasks.image_tokenization import tokenize


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Train a tokenizer for 2 iterations, another one, and a decoder for 4."""
    root = tmp_path_factory.mktemp('frozen')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'ROOT', root)
        words = ['--override', *WHOLE, '.trainer.iters:2']
        run(train, 'train', 'tokenizer', CONFIG, *words)
        run(train, 'train', 'other', CONFIG, '--seed', '5', *words)
        train_decoder('decoder', '--load-model-from', TOKENIZER)
    yield root


@pytest.fixture
def root(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> Path:
    """A stand-in for the repository, with copies of these runs."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    return tmp_path


def measured(root: Path, *files: str) -> dict[str, Any]:
    """Return what `vq.test` measures with these weights."""
    run(test, 'test', 'x', CONFIG, '--load-model-from', *files)
    record = read_json_lines(root / 'work_dirs/x_test/metrics.jsonl')[-1]
    del record['weights']
    return record


def copied(model: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights."""
    return {key: value.clone() for key, value in model.state_dict().items()}


def assembled(root: Path) -> torch.nn.Module:
    """Return the decoder with its tokenizer, put together by hand."""
    model = MODELS.build(load(CONFIG).validator.model)
    state = read_file(root / DECODER / 'model.pth')
    whole = read_file(root / TOKENIZER)
    state |= {k: v for k, v in whole.items() if k.startswith('tokenizer.')}
    model.load_state_dict({k: v for k, v in state.items() if k in model.state_dict()})
    return model.eval()


def test_killed_and_resumed_equals_uninterrupted(root: Path) -> None:
    train_decoder('killed', '--load-model-from', TOKENIZER, iters=2)
    train_decoder('killed', '--auto-resume')
    assert_same(checkpoint(root, 4, 'decoder'), checkpoint(root, 4, 'killed'))
    meta = json.loads((root / DECODER / 'meta.json').read_text())
    again = json.loads(
        (root / 'work_dirs/killed/checkpoints/latest/meta.json').read_text()
    )
    assert again['frozen'] == meta['frozen']


def test_a_part_of_the_tokenizer_can_be_frozen_too(root: Path) -> None:
    words = [
        '.trainer.model.frozen:["tokenizer.encoder"]',
        ".trainer.optimizers.generator.params:['tokenizer','pre_decode','decoder']",
    ]
    first = ['--load-model-from', TOKENIZER, '--override', *words]
    run(train, 'train', 'part', CONFIG, *first)
    run(train, 'train', 'resumed', CONFIG, *first, '.trainer.iters:2')
    run(train, 'train', 'resumed', CONFIG, '--auto-resume', '--override', *words)
    one = checkpoint(root, 4, 'part')
    assert_same(one, checkpoint(root, 4, 'resumed'))
    parts = {'.'.join(key.split('.')[:2]) for key in one['model']}
    assert {'tokenizer.quantizer', 'tokenizer.post_encode'} <= parts
    assert 'tokenizer.encoder' not in parts
    before = read_file(root / TOKENIZER)['tokenizer.quantizer.codebook']
    assert not torch.equal(one['model']['tokenizer.quantizer.codebook'], before)


def test_values_buffers_and_modes_stay(root: Path, log: Records) -> None:
    moved = {}
    for frozen in (['tokenizer'], []):
        config = load(CONFIG, overrides=[f'.trainer.model.frozen:{frozen}'])
        trainer: Trainer = RUNNERS.build(config.trainer, job=job(root / str(frozen)))
        trainer.load_weights([root / TOKENIZER], strict=False)
        before = copied(trainer.model)
        # What remains to be trained is not missed where the rest is frozen.
        missed = [text for text in log.warnings if 'missing' in text]
        assert not missed
        trainer.run()
        after = copied(trainer.model)
        moved[bool(frozen)] = {k for k in after if not torch.equal(before[k], after[k])}
        tokenizer = trainer.model.tokenizer
        assert not any(m.training and frozen for m in tokenizer.modules())
        assert trainer.model.decoder.training
    assert not any(key.startswith('tokenizer.') for key in moved[True])
    assert {key.split('.')[0] for key in moved[True]} >= {'pre_decode', 'decoder'}
    # Without freezing the codebook moves though no optimizer does it.
    assert 'tokenizer.quantizer.codebook' in moved[False]


def test_a_checkpoint_names_the_tokenizer_and_does_not_hold_it(root: Path) -> None:
    tokenizer = {
        key.removeprefix('tokenizer.'): value
        for key, value in read_file(root / TOKENIZER).items()
        if key.startswith('tokenizer.')
    }
    meta = json.loads((root / DECODER / 'meta.json').read_text())
    file = dict(path=TOKENIZER, sha256=sha256(root / TOKENIZER))
    expected = dict(files=[file], state=state_hash(tokenizer))
    assert meta['frozen'] == dict(tokenizer=expected)
    for stem in ('model', 'ema'):
        for suffix in ('.pth', '.safetensors'):
            keys = read_file(root / DECODER / f'{stem}{suffix}')
            parts = {key.split('.')[0] for key in keys}
            assert {'decoder', 'pre_decode'} <= parts and 'tokenizer' not in parts


def test_a_tokenizers_own_decoder_is_not_taken(root: Path) -> None:
    fresh = RUNNERS.build(load(CONFIG).trainer, job=job(root / 'fresh')).model
    trainer: Trainer = RUNNERS.build(load(CONFIG).trainer, job=job(root / 'x'))
    trainer.load_weights([root / TOKENIZER], strict=False)
    assert_same(copied(fresh.decoder), copied(trainer.model.decoder))
    trainer.load_weights([root / DECODER], strict=False)  # but this is one of its kind
    expected = assembled(root)
    assert_same(copied(expected.decoder), copied(trainer.model.decoder))
    assert_same(copied(expected.tokenizer), copied(trainer.model.tokenizer))


def test_val_and_test_find_it_themselves(root: Path) -> None:
    run(val, 'val', 'decoder', CONFIG, '--load-from', 'iter_4')
    [validated] = read_json_lines(root / 'work_dirs/decoder/val/metrics.jsonl')
    found = measured(root, f'{DECODER}/model.pth')
    assert found.items() <= validated.items()
    model, total, number = assembled(root), 0.0, 0
    dataset = RUNNERS.build(load(CONFIG).validator, job=job(root / 'v')).dataset
    with torch.no_grad():
        for i in range(len(dataset)):
            image = normalize(dataset[i].original_image[None])
            total += float((model(image).image.clamp(-1, 1) - image).abs().mean())
            number += 1
    assert found['l1'] == pytest.approx(total / number / 2, rel=0.02)
    for files in (
        [DECODER],
        [f'{DECODER}/model.safetensors'],
        [TOKENIZER, DECODER],
        [f'{DECODER}/model.pth', TOKENIZER],  # whose decoder.* must not win
    ):
        assert measured(root, *files) == found
    run(val, 'val', 'decoder', CONFIG, '--load-model-from', TOKENIZER, '--ema')
    averaged = measured(root, f'{DECODER}/ema.pth')
    validated = read_json_lines(root / 'work_dirs/decoder/val/metrics.jsonl')[-1]
    assert averaged.items() <= validated.items() and averaged['l1'] != found['l1']


def test_a_moved_a_changed_and_a_wrong_tokenizer(root: Path) -> None:
    found, digest = measured(root, DECODER), sha256(root / TOKENIZER)
    other = TOKENIZER.replace('/tokenizer/', '/other/')
    with pytest.raises(CheckpointError, match='tokenizer is another one than'):
        measured(root, other, DECODER)
    with pytest.raises(CheckpointError, match='tokenizer is another one than'):
        train_decoder('decoder', '--auto-resume', '--load-model-from', other, iters=6)
    words = ['--auto-resume', '--load-model-from', other, '--override', ANEW]
    run(train, 'train', 'decoder', CONFIG, *words)
    here = root / 'here.pth'
    (root / TOKENIZER).rename(here)
    words = (
        rf'{TOKENIZER}, SHA-256 {digest}, which is not there; pass --load-model-from'
    )
    for command in (
        lambda: measured(root, DECODER),
        lambda: train_decoder('decoder', '--auto-resume'),
    ):
        with pytest.raises(CheckpointError, match=words):
            command()
    assert measured(root, 'here.pth', DECODER) == found
    shutil.copy(root / other, root / TOKENIZER)
    with pytest.raises(CheckpointError, match=f'SHA-256 {digest}, which has the SHA'):
        measured(root, DECODER)


def test_a_file_with_only_some_of_it_is_named(root: Path) -> None:
    state = read_file(root / TOKENIZER)
    codebook = state.pop('tokenizer.quantizer.codebook')
    torch.save(state, root / 'some.pth')
    torch.save(state | {'tokenizer.quantizer.codebook': codebook[1:]}, root / 'few.pth')
    for file, words in {
        'some.pth': '1 keys are missing',
        'few.pth': '1 of another',
    }.items():
        # Also where the checkpoint could find the right one itself.
        for flags in ([], ['--auto-resume']):
            with pytest.raises(
                CheckpointError, match=f'frozen tokenizer.*{file} .*{words}'
            ):
                train_decoder('decoder', *flags, '--load-model-from', file, iters=6)
        with pytest.raises(CheckpointError, match=f'{file}: the weights do not fit'):
            measured(root, file)


def test_what_started_with_the_moved_file_names_it(root: Path) -> None:
    (root / TOKENIZER).rename(root / 'here.pth')
    words = ['--auto-resume', '--load-model-from', 'here.pth', '--override', ANEW]
    run(train, 'train', 'decoder', CONFIG, *words, '.trainer.iters:5')
    meta = json.loads(
        (root / 'work_dirs/decoder/checkpoints/iter_5/meta.json').read_text()
    )
    [file] = meta['frozen']['tokenizer']['files']
    assert file['path'] == 'here.pth'


def test_training_needs_it(root: Path) -> None:
    with pytest.raises(CheckpointError, match='tokenizer has no weights.*pass --load-'):
        train_decoder('new')
    assert not (root / 'work_dirs/new/checkpoints').exists()
    override = ['--override', f'.trainer.weights::{TOKENIZER}', '.trainer.iters:4']
    run(train, 'train', 'new', CONFIG, *override)
    assert_same(checkpoint(root, 4, 'decoder'), checkpoint(root, 4, 'new'))


def test_a_dry_run_keeps_random_weights_in_its_checkpoints(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    run(train, 'train', 'dry', CONFIG, '--override', '.trainer.weights::nowhere.pth')
    [log] = (root / 'work_dirs/dry_run/dry').glob('*.log')
    assert 'dry run: the frozen tokenizer has no weights' in log.read_text()
    folder = root / 'work_dirs/dry_run/dry/checkpoints/iter_8'
    assert 'tokenizer.quantizer.codebook' in read_file(folder / 'ema.pth')
    part = json.loads((folder / 'meta.json').read_text())['frozen']['tokenizer']
    assert part['files'] == []
    shutil.rmtree(folder)
    run(train, 'train', 'dry', CONFIG, '--auto-resume')
    again = json.loads((folder / 'meta.json').read_text())['frozen']['tokenizer']
    assert again == part
    run(val, 'val', 'dry', CONFIG, '--load-from', 'iter_7', 'iter_8', '--ema')
    lines = read_json_lines(root / 'work_dirs/dry_run/dry/val/metrics.jsonl')
    assert [line['iteration'] for line in lines] == [7, 8]


def test_two_ranks_equal_one(root: Path) -> None:
    run_ranks(train_on_ranks, 2, root)
    one, two = (
        read_file(root / 'work_dirs' / name / 'checkpoints/iter_4/model.pth')
        for name in ('decoder', 'ranks')
    )
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=2e-4, rtol=1e-3, msg=key)


def test_tokens_pictures_and_an_export_that_needs_nothing_else(root: Path) -> None:
    found, model = measured(root, DECODER), assembled(root)
    picture = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    save_png(picture, root / 'picture.png')
    words = ['--out', root / 'exported', '--load-model-from', DECODER]
    run(export, 'export', CONFIG, *words)
    record = json.loads((root / 'exported/model.safetensors.json').read_text())
    assert sorted(record['sources']) == sorted([f'{DECODER}/model.pth', TOKENIZER])
    shutil.rmtree(root / 'work_dirs')
    weights = ['--load-model-from', 'exported/model.safetensors']
    run(test, 'test', 'e', root / 'exported/config.py', *weights)
    again = read_json_lines(root / 'work_dirs/e_test/metrics.jsonl')[-1]
    assert found.items() <= again.items()
    words = ['exported/config.py', 'picture.png', *weights, '--out', root / 'out']
    run(inference, 'inference', *words)
    with torch.no_grad():
        tokens = model.tokenizer.tokenize(normalize(picture[None]))[0]
    assert np.array_equal(np.load(root / 'out/picture_tokens.npy'), tokens.numpy())


def test_tokenizing_needs_no_decoder(root: Path) -> None:
    state = read_file(root / TOKENIZER)
    alone = {k: v for k, v in state.items() if k.startswith('tokenizer.')}
    torch.save(alone, root / 'alone.pth')
    stores = []
    for name, file in (('one', 'alone.pth'), ('two', f'{DECODER}/model.pth')):
        run(tokenize, 'tokenize', name, CONFIG, '--load-model-from', file)
        stores.append(root / f'work_dirs/{name}_tokenize/tokens')
    one, two = ((store / 'meta.json').read_text() for store in stores)
    assert one == two
    with pytest.raises(CheckpointError, match='decoder.stem.weight'):
        measured(root, 'alone.pth')
    with pytest.raises(CheckpointError, match='tokenizer is in none of them, and no'):
        shutil.copy(root / DECODER / 'model.pth', root / 'copy.pth')
        measured(root, 'copy.pth')
    for files in (['copy.pth', TOKENIZER], [TOKENIZER, 'copy.pth']):
        assert measured(root, *files) == measured(root, DECODER)
    del alone['tokenizer.quantizer.codebook']
    torch.save(alone, root / 'alone.pth')
    with pytest.raises(CheckpointError, match='missing 1 .*tokenizer.quantizer'):
        run(tokenize, 'tokenize', 'three', CONFIG, '--load-model-from', 'alone.pth')
