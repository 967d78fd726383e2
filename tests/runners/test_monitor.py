"""The monitor: each checkpoint's metrics, written down where the training's stay."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.log import Records
from tests.ranks import run_ranks
from tests.runs import tiny_trainer, tiny_validator
from vq import distributed
from vq.checkpoints import CheckpointError
from vq.runners.monitor import Monitor

SMALL = '.validator.metrics:dict(psnr=dict(type="PSNR"))'


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train 4 iterations, a checkpoint every 2; return the run's folder."""
    folder = tmp_path_factory.mktemp('trained')
    tiny_trainer(folder, '.trainer.iters:4', '.trainer.callbacks[-1].interval:2').run()
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained run."""
    return Path(shutil.copytree(trained, tmp_path / 'run', symlinks=True))


def monitor(run: Path, *overrides: str) -> Monitor:
    """Return a monitor of a run."""
    validator = tiny_validator(run / 'val', SMALL, *overrides)
    return Monitor(validator, work_dir=run)


def listing(run: Path) -> dict[str, tuple[int, str]]:
    """Return times and hashes of a run's files, less what the monitor writes."""
    files = [p for p in run.rglob('*') if p.is_file() and not p.is_symlink()]
    return {
        str(p.relative_to(run)): (
            p.stat().st_mtime_ns,
            hashlib.sha256(p.read_bytes()).hexdigest(),
        )
        for p in files
        if p.relative_to(run).parts[0] != 'val'
    }


def alone(run: Path, name: str, *overrides: str) -> dict[str, float]:
    """Validate one checkpoint by itself."""
    validator = tiny_validator(run / 'alone', SMALL, *overrides)
    folder = run / 'checkpoints' / name
    validator.load_weights([folder], strict=True, ema=validator.ema)
    return validator.run()


@pytest.mark.parametrize('overrides', [(), ('.validator.ema:True',)])
def test_results_equal_each_checkpoint_validated_alone(
    run: Path, overrides: tuple[str, ...]
) -> None:
    results = monitor(run, *overrides).run()
    names = ['iter_2', 'iter_4']
    assert results == {name: alone(run, name, *overrides) for name in names}
    assert len({tuple(values.values()) for values in results.values()}) == 2


def test_metrics_are_written_as_json_and_for_tensorboard(run: Path) -> None:
    before = listing(run)
    protocols = tiny_validator(run / 'alone', SMALL).protocols()
    assert protocols['psnr'] == {'pixels': 'uint8 / 255'}
    results = monitor(run).run()
    lines = (run / 'val' / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        dict(
            checkpoint=name,
            iteration=int(name[5:]),
            psnr=results[name]['psnr'],
            protocols=protocols,
        )
        for name in ('iter_2', 'iter_4')
    ]
    found: list[tuple[int, float]] = []
    after = listing(run)
    for name in sorted(set(after) - set(before)):
        assert Path(name).parts[0] == 'tensorboard'
        events = EventAccumulator(str(run / name)).Reload()
        assert events.Tags()['scalars'] == ['val/psnr']
        found += [(event.step, event.value) for event in events.Scalars('val/psnr')]
    expected = [(int(n[5:]), pytest.approx(v['psnr'])) for n, v in results.items()]
    assert sorted(found) == expected
    assert {name: after[name] for name in before} == before


def test_only_named_ones_are_validated(run: Path) -> None:
    assert list(monitor(run).run(names=['iter_4'])) == ['iter_4']


class Vanishing(Monitor):
    """Meets a checkpoint that is removed just before it is loaded."""

    def _load(self, folder: Path) -> bool:
        if folder.name == 'iter_2' and distributed.is_main():
            shutil.rmtree(folder)
        distributed.barrier()
        return super()._load(folder)


def vanishing(run: Path) -> list[str]:
    """Validate while a checkpoint vanishes; return what was validated."""
    validator = tiny_validator(run / 'val', SMALL)
    return list(Vanishing(validator, work_dir=run).run())


def test_a_checkpoint_that_vanishes_is_skipped(run: Path, log: Records) -> None:
    assert vanishing(run) == ['iter_4']
    assert len(log.warnings) == 1
    removed = f'{run / "checkpoints" / "iter_2"} is passed over'
    assert log.warnings[0].startswith(removed)


def test_ranks_skip_it_together_and_agree(run: Path) -> None:
    assert run_ranks(vanishing, 2, run) == [['iter_4']] * 2
    lines = (run / 'val' / 'metrics.jsonl').read_text().splitlines()
    expected = alone(run, 'iter_4')['psnr']
    assert [json.loads(line)['psnr'] for line in lines] == pytest.approx([expected])


def test_a_damaged_checkpoint_is_passed_over_and_named(run: Path, log: Records) -> None:
    everything = monitor(run).run()
    (run / 'checkpoints' / 'iter_2' / 'model.pth').unlink()
    del everything['iter_2']
    assert monitor(run).run() == everything
    assert any('iter_2/model.pth is missing' in text for text in log.warnings)


def test_weights_of_another_model_end_it(run: Path) -> None:
    changed = monitor(run)
    changed._validator.model = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match='do not fit'):
        changed.run()
