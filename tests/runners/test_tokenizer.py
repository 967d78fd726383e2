"""Tokenizing: equal to the model's own tokens, in one go, resumed, or on ranks."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.ranks import run_ranks
from tests.runs import job, tiny
from vq import distributed
from vq.datasets.tokens import TokenDataset
from vq.registry import RUNNERS
from vq.runners import Tokenizer, Validator

DATASET = '.validator.dataset:dict(type="SpottyDataset",length=11,broken=(3,))'
CALLBACK = '.validator.callbacks:[dict(type="TokenCallback",block_size=2)]'


def runner(folder: Path, *overrides: str, kind: str = 'Tokenizer') -> Any:
    """Return a runner that writes the tokens of 11 images in blocks of 2."""
    config = tiny(f'.validator.type::{kind}', DATASET, CALLBACK, *overrides)
    return RUNNERS.build(config.validator, job=job(folder))


def store(folder: Path) -> dict[str, Any]:
    """Return what a token store holds, by file."""
    files: dict[str, Any] = {}
    for path in sorted((folder / 'tokens').rglob('*')):
        name = str(path.relative_to(folder))
        if path.suffix == '.npy':
            files[name] = np.load(path).tolist()
        elif path.is_file():
            files[name] = json.loads(path.read_text())
    return files


def by_hand(folder: Path) -> list[Any]:
    """Return the tokens of each readable image, computed one by one."""
    one = runner(folder)
    result = []
    for index in range(11):
        sample = one.dataset[index]
        if index != 3:
            image = sample.original_image[None] / 127.5 - 1
            result.append(one.model.tokenizer.tokenize(image)[0].tolist())
    return result


@pytest.fixture(scope='module')
def one_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokenize in one go."""
    folder = tmp_path_factory.mktemp('one')
    assert runner(folder).run() == {}
    return folder


def test_tokens_equal_the_models_own(one_go: Path, tmp_path: Path) -> None:
    tokens = TokenDataset(one_go / 'tokens')
    tokens.verify()
    assert [tokens[i][0].tolist() for i in range(len(tokens))] == by_hand(tmp_path)
    assert [tokens[i][2] for i in range(3, 6)] == ['00000004', '00000005', '00000006']


@pytest.mark.parametrize('batch_size', [1, 8])
def test_batches_larger_and_smaller_than_a_block_do_not_matter(
    one_go: Path, tmp_path: Path, batch_size: int
) -> None:
    runner(tmp_path, f'.validator.dataloader.batch_size:{batch_size}').run()
    assert store(tmp_path) == store(one_go)


def test_a_killed_run_goes_on_and_reads_nothing_twice(
    one_go: Path, tmp_path: Path
) -> None:
    first = runner(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        walked = Tokenizer._val_iter

        def killed(self: Tokenizer, batch: Any) -> None:
            if self.iteration == 4:
                raise KeyboardInterrupt
            walked(self, batch)

        patch.setattr(Tokenizer, '_val_iter', killed)
        with pytest.raises(KeyboardInterrupt):
            first.run()
    done = first.callbacks[0]._writer.done()
    assert 0 < len(done) < 6
    second = runner(tmp_path)
    second.run()
    assert store(tmp_path) == store(one_go)
    probed = second.dataset.reads[:1]  # tells the grid's size
    assert probed == [0]
    left = [i for i in range(11) if i // 2 not in done]
    assert second.dataset.reads[1:] == left
    third = runner(tmp_path)
    third.run()
    assert third.dataset.reads == [0]


def test_tokens_of_other_weights_are_refused(one_go: Path, tmp_path: Path) -> None:
    shutil.copytree(one_go / 'tokens', tmp_path / 'tokens')
    other = runner(tmp_path)
    with torch.no_grad():
        other.model.tokenizer.post_encode.conv.weight.add_(1)
    with pytest.raises(ValueError, match='holds other tokens: tokenizer is'):
        other.run()


def tokenize_on_rank(folder: Path, kind: str) -> list[int]:
    """Tokenize on this rank; return what it read."""
    one = runner(folder, kind=kind)
    one.run()
    assert distributed.world_size() > 1
    return list(one.dataset.reads)


@pytest.mark.parametrize(
    ('world_size', 'kind'), [(2, 'Tokenizer'), (3, 'Tokenizer'), (2, 'Validator')]
)
def test_ranks_write_the_same_store(
    one_go: Path, tmp_path: Path, world_size: int, kind: str
) -> None:
    reads = run_ranks(tokenize_on_rank, world_size, tmp_path, kind)
    assert store(tmp_path) == store(one_go)
    assert sorted(i for part in reads for i in part[1:]) == list(range(11))


def test_a_validator_writes_the_same_tokens_beside_its_metrics(
    one_go: Path, tmp_path: Path
) -> None:
    results = runner(tmp_path, kind='Validator').run()
    without = runner(tmp_path / 'x', '.validator.callbacks:[]', kind='Validator').run()
    assert store(tmp_path) == store(one_go)
    assert results == pytest.approx(without, rel=1e-5)
    again = runner(tmp_path, kind='Validator')  # walks all, writes nothing
    assert again.run() == results
    assert sorted(again.dataset.reads[1:]) == list(range(11))


def test_the_alias_of_other_systems_is_known(tmp_path: Path) -> None:
    one = runner(tmp_path, kind='VQITRunnerRegistry.Tokenizer')
    assert type(one) is Tokenizer and isinstance(one, Validator)
