"""Training from a token store is training online; tokens of others are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.log import Records
from tests.runners import token_feed as feed
from tests.runners.nets import distance, weights
from tests.runs import tiny
from vq import dry_run
from vq.callbacks import LogCallback
from vq.datasets import LimitedDataset, SyntheticDataset
from vq.logs import read_json_lines
from vq.models.tokenizer import ImageTokenizer
from vq.runners import Trainer


@pytest.fixture(scope='module')
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the frozen parts' weights."""
    return feed.write_weights(tmp_path_factory.mktemp('frozen'))


@pytest.fixture(scope='module')
def store(tmp_path_factory: pytest.TempPathFactory, frozen: Path) -> dict[str, Any]:
    """Return the config of the stored tokens of `feed.IMAGES`."""
    return feed.write_store(tmp_path_factory.mktemp('store'), frozen)


def logs(run: Trainer) -> list[dict[str, Any]]:
    return list(read_json_lines(run.work_dir / 'scalars.jsonl'))


def forbid(patch: pytest.MonkeyPatch) -> None:
    """Let no encoder run."""

    def encode(self: ImageTokenizer, image: torch.Tensor) -> torch.Tensor:
        raise AssertionError('an encoder runs')

    patch.setattr(ImageTokenizer, 'encode', encode)


def test_losses_and_updates_equal_those_online(
    frozen: Path,
    store: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online = feed.trainer(tmp_path / 'online', frozen, feed.IMAGES)
    online.run()
    forbid(monkeypatch)
    stored = feed.trainer(tmp_path / 'stored', frozen, store)
    stored.run()
    assert logs(stored) == logs(online)
    assert len(logs(stored)) == 3 and 'total' in logs(stored)[0]
    assert distance(weights(stored.model), weights(online.model)) == 0
    with pytest.raises(AssertionError, match='an encoder runs'):
        feed.trainer(tmp_path / 'again', frozen, feed.IMAGES).run()


def test_validation_equals_that_of_the_images(
    frozen: Path,
    store: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []

    def note(_: LogCallback, runner: Any, batch: Any, output: Any) -> None:
        seen.append(output.losses)

    monkeypatch.setattr(LogCallback, 'after_val_iter', note)
    for dataset in (feed.IMAGES, dict(store, crop=0)):
        feed.walker(tmp_path, frozen, dataset, callbacks=[feed.LOG]).run()
        forbid(monkeypatch)
    images, tokens = torch.cat(seen).chunk(2)
    assert torch.equal(images, tokens) and len(tokens) == 10


def test_a_resume_from_a_store_equals_one_go(
    frozen: Path, store: dict[str, Any], tmp_path: Path
) -> None:
    crops = feed.write_crops(tmp_path, Path(store['root']))
    one = feed.trainer(tmp_path / 'one', frozen, crops, iters=5)
    one.run()
    first = feed.trainer(tmp_path / 'two', frozen, crops, iters=2)
    first.run()
    second = feed.trainer(tmp_path / 'two', frozen, crops, iters=5)
    second.resume(first.checkpoints_root / 'iter_2')
    second.run()
    assert distance(weights(second.model), weights(one.model)) == 0
    assert logs(second) == logs(one)


def test_tokens_of_another_tokenizer_are_refused(
    store: dict[str, Any], tmp_path: Path
) -> None:
    other = feed.write_weights(tmp_path, seed=1)
    for run in (
        feed.trainer(tmp_path, other, store),
        feed.walker(tmp_path, other, store),
    ):
        made_by = run.dataset.token_origins[0].tokenizer
        assert made_by is not None and made_by != feed.own_hash(run)
        message = (
            f'{store["root"]} holds tokens of the tokenizer {made_by[:12]}.*that of '
            f'the model is {feed.own_hash(run)[:12]}.*load the weights'
        )
        with pytest.raises(ValueError, match=message):
            run.run()


def test_a_dry_run_warns_of_them(
    store: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    other = feed.write_weights(tmp_path, seed=1)
    run = feed.trainer(tmp_path, other, store, iters=1)
    assert isinstance(run.dataset, LimitedDataset)
    assert len(run.dataset) == dry_run.SAMPLES
    run.run()
    warned = [text for text in log.warnings if 'holds tokens of the tokenizer' in text]
    assert len(warned) == 1 and warned[0].startswith(f'dry run: {store["root"]}')
    assert run.iteration == 1


def test_in_a_dry_run_images_stand_in_for_a_missing_store(
    frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    missing = dict(
        type='TokenSampleDataset',
        root=str(tmp_path / 'gone'),
        transforms=[dict(type='Resize', size=16)],
    )
    run = feed.trainer(tmp_path, frozen, missing, iters=1)
    run.run()
    assert isinstance(run.dataset, SyntheticDataset) and run.iteration == 1
    assert any('synthetic images stand in' in text for text in log.warnings)


def test_another_grid_is_refused(
    frozen: Path, store: dict[str, Any], tmp_path: Path
) -> None:
    model = feed.model()
    model['transformer'] = dict(model['transformer'], grid=(4, 16))
    run = feed.trainer(tmp_path, frozen, store, model=model)
    with pytest.raises(ValueError, match=r'grid=\(8, 8\), the model is .*\(4, 16\)'):
        run.run()


def test_a_model_of_images_says_that_there_are_none(
    store: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny().validator.model.to_dict()
    run = feed.walker(tmp_path, feed.write_weights(tmp_path), store, model=model)
    with pytest.raises(ValueError, match='holds tokens alone'):
        run.run()
