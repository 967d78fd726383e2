"""Statistics equal numpy's; interrupted, on ranks and with broken images too."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.log import Records
from tests.ranks import run_ranks
from tests.runners.extractions import LENGTH, by_hand, extraction
from tests.runs import job
from vq import distributed
from vq.callbacks.statistics import StatisticsCallback
from vq.metrics.partial import PartialFiles
from vq.metrics.protocol import data_protocol
from vq.metrics.statistics import Statistics, locate
from vq.runners import Extraction


@pytest.fixture(autouse=True)
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let results go to a temporary folder."""
    monkeypatch.setenv('PRETRAINED', str(tmp_path))


def result(name: str = 'run') -> Statistics:
    """Return what a run wrote."""
    return Statistics.load(locate(name))


def check_equal(found: Statistics, runner: Extraction) -> None:
    """Compare statistics with numpy's of the same features."""
    assert found.spatial is not None
    for kind, rows in by_hand(runner).items():
        gaussian = getattr(found, kind)
        expected = rows.astype(np.float64)
        assert gaussian.count == len(rows)
        np.testing.assert_allclose(gaussian.mean, expected.mean(0), rtol=1e-12)
        covariance = np.cov(expected, rowvar=False)
        np.testing.assert_allclose(gaussian.covariance, covariance, atol=1e-13)


def check_same(found: Statistics, other: Statistics) -> None:
    """Compare statistics that may differ in the order of sums only."""
    assert found.protocol == other.protocol
    assert found.features is not None and other.features is not None
    assert found.features.equal(other.features)
    for kind in ('pooled', 'spatial'):
        one, two = getattr(found, kind), getattr(other, kind)
        assert one.count == two.count
        torch.testing.assert_close(one.mean, two.mean, rtol=1e-12, atol=0)
        torch.testing.assert_close(one.covariance, two.covariance, rtol=0, atol=1e-12)


@pytest.fixture
def one_go(tmp_path: Path) -> Statistics:
    """Compute the statistics in one go."""
    extraction(tmp_path / 'one' / 'whole', features=10).run()
    return result('whole')


def test_statistics_equal_numpys(tmp_path: Path) -> None:
    runner = extraction(tmp_path / 'run')
    runner.run()
    check_equal(result(), runner)
    assert not (tmp_path / 'run' / 'partial').exists()


def test_the_stamp_says_what_was_seen(tmp_path: Path) -> None:
    runner = extraction(tmp_path / 'run')
    runner.run()
    found = result().protocol
    data = data_protocol(runner.dataset).to_dict()
    seen = dict(size='16x16', extractor='PooledPixels', weights='none', dtype='float32')
    assert found.to_dict() == data | seen
    assert json.loads(locate('run').with_suffix('.json').read_text()) == data | seen


@pytest.mark.parametrize(('number', 'kept'), [(1, 1), (10, 10), (101, 101), (999, 101)])
def test_kept_features_are_evenly_spaced_and_in_order(
    tmp_path: Path, number: int, kept: int
) -> None:
    runner = extraction(tmp_path / 'run', features=number)
    runner.run()
    # Image i * 101 / kept, rounded up, for each i.
    places = -(-np.arange(kept) * LENGTH // kept)
    features = result().features
    assert features is not None and features.dtype == torch.float32
    np.testing.assert_allclose(
        features, by_hand(runner)['pooled'][places], rtol=1e-6, atol=1e-7
    )


def test_broken_images_do_not_count(tmp_path: Path, log: Records) -> None:
    broken = dict(broken=(0, 16, 17, 18, 19, 20, 21, 22, 23, 100))  # all of block 2
    runner = extraction(tmp_path / 'run', dataset=broken)
    runner.run()
    check_equal(result(), runner)
    assert '10 of 101 images could not be read and do not count' in log.warnings


def test_replaced_images_are_refused(tmp_path: Path) -> None:
    runner = extraction(tmp_path / 'run', dataset=dict(on_error='replace'))
    with pytest.raises(ValueError, match='would count twice; set .* on_error'):
        runner.run()


def run_on_rank(folder: Path, kill_after: int | None = None) -> list[int]:
    """Extract on this rank, perhaps until it is killed; return what was read."""
    runner = extraction(folder, features=10)
    if kill_after is None:
        runner.run()
    else:
        interrupt(runner, kill_after)
    return runner.dataset.reads  # type: ignore[attr-defined, no-any-return]


def interrupt(runner: Extraction, after: int) -> None:
    """Run until some batches have been seen, and no further."""

    def kill(*_: Any) -> None:
        if runner.iteration > after:
            raise KeyboardInterrupt

    runner.callbacks[1].after_val_iter = kill  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        runner.run()


@pytest.mark.parametrize('ranks', [2, 3])
def test_ranks_give_the_numbers_of_one(
    tmp_path: Path, one_go: Statistics, ranks: int
) -> None:
    reads = run_ranks(run_on_rank, ranks, tmp_path / 'run')
    check_same(result(), one_go)
    assert sorted(sum(reads, [])) == list(range(LENGTH))


@pytest.mark.parametrize('after', [1, 9, 24])
def test_an_interrupted_run_goes_on(
    tmp_path: Path, one_go: Statistics, after: int, log: Records
) -> None:
    first = run_on_rank(tmp_path / 'run', after)
    second = run_on_rank(tmp_path / 'run')
    check_same(result(), one_go)
    finished = (len(first) - 1) // 8 * 8  # the last block was open
    assert second == list(range(finished, LENGTH))
    told = [text for text in log.texts() if 'by an interrupted run' in text]
    assert len(told) == bool(finished)


def test_two_ranks_are_killed_and_one_goes_on(
    tmp_path: Path, one_go: Statistics
) -> None:
    partial = tmp_path / 'run' / 'partial'
    first = run_ranks(run_on_rank, 2, tmp_path / 'run', 7)
    shutil.copytree(partial, tmp_path / 'copy')
    run_on_rank(tmp_path / 'run', 1)  # puts their files together, and little more
    # As if it had been killed before it deleted what it had put together.
    assert {path.name for path in partial.iterdir()} == {'rank_0000.safetensors'}
    shutil.copy(tmp_path / 'copy' / 'rank_0001.safetensors', partial)
    last = run_on_rank(tmp_path / 'run')
    check_same(result(), one_go)
    twice = len(last) + sum(map(len, first)) - LENGTH
    assert 0 < len(last) < LENGTH and 0 <= twice <= 16  # two blocks were open
    assert not partial.exists()


def test_damaged_files_are_computed_anew(
    tmp_path: Path, one_go: Statistics, log: Records
) -> None:
    run_on_rank(tmp_path / 'run', 9)
    (file,) = (tmp_path / 'run' / 'partial').iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert run_on_rank(tmp_path / 'run') == list(range(LENGTH))
    check_same(result(), one_go)
    assert 'rank_0000.safetensors is damaged' in log.warnings[0]


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (dict(features=3), 'features is 0 there and 3 here'),
        (dict(block_size=9), 'block_size is 8 there and 9 here'),
        (dict(dataset=dict(length=99)), 'number is 101 there and 99 here'),
    ],
)
def test_what_another_run_left_is_refused(
    tmp_path: Path, changes: dict[str, Any], told: str, log: Records
) -> None:
    interrupt(extraction(tmp_path / 'run'), 9)
    with pytest.raises(ValueError, match=f'{told}.*pass --force'):
        extraction(tmp_path / 'run', **changes).run()
    runner = extraction(tmp_path / 'run', force=True, **changes)
    runner.run()
    check_equal(result(), runner)
    assert told in log.warnings[0]


def test_another_extractor_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(extraction(tmp_path / 'run'), 9)
    other = extraction(tmp_path / 'run')
    other.model.sha256 = 'abc'
    with pytest.raises(ValueError, match="weights is 'none' there and 'abc' here"):
        other.run()


def test_sums_are_written_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(PartialFiles, 'write', lambda *_: written.append(1))
    extraction(tmp_path / 'run').run()
    assert len(written) == 12  # after each of 13 blocks but the last
    extraction(tmp_path / 'run', save_every=60.0).run()
    assert len(written) == 12


def test_a_full_disk_costs_the_partial_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    def full(*_: Any) -> None:
        raise OSError('no space left')

    monkeypatch.setattr(PartialFiles, 'write', full)
    runner = extraction(tmp_path / 'run')
    runner.run()
    check_equal(result(), runner)
    assert log.warnings[0] == 'a kill would cost the work so far: no space left'


def test_the_log_tells_progress_and_result(tmp_path: Path, log: Records) -> None:
    interrupt(extraction(tmp_path / 'run'), 9)
    extraction(tmp_path / 'run').run()
    texts = log.texts()
    assert any('Batch [1/17] ETA' in text for text in texts)  # not of 26
    assert texts[-1].startswith(f'{locate("run")}: {LENGTH} images, ')
    assert 'of them now in' in texts[-1] and texts[-1].endswith(' images/s')


def test_a_dry_run_leaves_pretrained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    extraction(tmp_path / 'run').run()
    assert Statistics.load(tmp_path / 'run' / 'run.safetensors').pooled.count == 4
    assert not (tmp_path / 'pretrained').exists()


def test_wrong_numbers_and_wrong_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='block_size must be at least 1, got 0'):
        StatisticsCallback(block_size=0)
    toy = Extraction(
        job=job(tmp_path),
        model=dict(type='Toy'),
        dataset=dict(type='SpottyDataset'),
        dataloader=dict(batch_size=1, num_workers=0),
        strategy=dict(type='DDPStrategy'),
        callbacks=[dict(type='StatisticsCallback')],
    )
    with pytest.raises(ValueError, match='needs a feature extractor .* got Toy'):
        toy.run()
    assert distributed.world_size() == 1
