"""Metrics of generated pictures see what would be saved; repeated ones cost nothing."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.metrics.averages import AVERAGES, write_statistics
from tests.metrics.pooled_pixels import EXTRACTOR, write_reference
from tests.models.tiny_proposal import DATA, config, validator
from tests.ranks import run_ranks
from tests.runs import job
from vq import paths
from vq.callbacks import position_loss
from vq.comparison.meaning import meaning, notes
from vq.metrics import PartMetric
from vq.registry import DATASETS
from vq.runners import Validator

PSNR = dict(type='PSNR')
CODEBOOK = dict(type='CodebookMetric')
FIDELITY = dict(type='FIDMetric', extractor=EXTRACTOR)


def part(kind: str, metric: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return dict(type='PartMetric', part=kind, metric=metric, **changes)


def test_gfid_equals_that_of_the_saved_pictures(tmp_path: Path) -> None:
    reference = tmp_path / 'x.safetensors'
    write_reference(reference, 50)
    fid = FIDELITY | dict(reference=str(reference))
    kinds = ('reconstruction', 'completed', 'generated')
    runner = validator(
        tmp_path,
        metrics={kind: part(kind, fid) for kind in kinds},
        callbacks=[dict(type='VisualCallback', pattern='|'.join(kinds))],
    )
    found = runner.run()
    assert len({*found.values()}) == 3
    for kind in kinds:
        folder = tmp_path / kind
        folder.mkdir()
        for path in (tmp_path / 'unbatched_visual').glob(f'{kind}_*.png'):
            path.rename(folder / path.name)
        saved = Validator(
            job=job(tmp_path),
            model=dict(type='PassThrough'),
            dataset=dict(type='FolderDataset', data_root=str(folder), transforms=[]),
            dataloader=dict(batch_size=4, num_workers=0),
            strategy=dict(type='DDPStrategy'),
            metrics=dict(fid=fid),
            generated=True,
        )
        assert len(saved.dataset) == DATA['length']
        assert found[kind] == pytest.approx(saved.run()['fid'], rel=1e-9)


def test_samples_find_the_statistics_of_the_data_and_say_how_they_were_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    path = tmp_path / 'pretrained' / 'fid' / 'whatever.safetensors'
    write_statistics(path, DATASETS.build(DATA))
    fid = dict(type='FIDMetric', extractor=AVERAGES)
    named = fid | dict(reference='whatever')
    metrics = dict(
        gfid=part('generated', fid),
        named=part('generated', named),
        rfid=part('reconstruction', fid),
    )
    runner = validator(tmp_path, metrics=metrics)
    found = runner.run()
    assert found['gfid'] == found['named'] != found['rfid']
    records = runner.protocols()
    assert {record.get('reference') for record in records.values()} == {
        None,
        'whatever',
    }
    gfid, rfid = records['gfid'], records['rfid']
    assert (gfid['number'], gfid['part']) == (DATA['length'], 'generated')
    assert 'dataset' not in gfid and rfid['dataset'] == 'Synthetic'
    assert gfid['sampling'] == asdict(runner.model.sampling)  # type: ignore[call-overload]
    assert gfid['sampling']['cfg'] == 4 and 'sampling' not in rfid

    other = validator(tmp_path, metrics=metrics, model=config(cfg=2.0, top_k=20))
    other.run()
    pair = [meaning('gfid', run.protocols()) for run in (runner, other)]
    assert notes(pair) == ['sampling.cfg=4.0', 'sampling.cfg=2.0']


def watched(runner: Validator) -> Counter[int]:
    """Return how often pictures are made from now on, and of how many images."""
    made: Counter[int] = Counter()
    render = runner.model.render

    def counted(tokens: torch.Tensor) -> Any:
        made[len(tokens)] += 1
        return render(tokens)  # type: ignore[operator]

    runner.model.render = counted  # type: ignore[assignment]
    return made


def test_what_cannot_change_is_measured_once(tmp_path: Path) -> None:
    metrics = dict(
        psnr=part('reconstruction', PSNR, once=True),
        tokens=dict(type='TokenMetric'),
    )
    runner = validator(tmp_path, metrics=metrics)
    made = watched(runner)
    first = runner.run()
    assert made == {3: 2, 1: 1}
    record = runner.protocols()['psnr']

    torch.nn.init.normal_(next(runner.model.transformer.parameters()))
    second = runner.run()
    assert made == {3: 2, 1: 1}
    assert second['psnr'] == first['psnr']
    assert second['tokens/loss'] != first['tokens/loss']
    assert runner.protocols()['psnr'] == record

    torch.nn.init.normal_(next(runner.model.decoder.parameters()))
    third = runner.run()
    assert made == {3: 4, 1: 2}
    every_time = dict(psnr=part('reconstruction', PSNR))
    fresh = validator(tmp_path, metrics=every_time)
    fresh.model.load_state_dict(runner.model.state_dict())
    assert third['psnr'] == fresh.run()['psnr'] != first['psnr']


def test_without_once_each_checkpoint_is_measured(tmp_path: Path) -> None:
    runner = validator(tmp_path, metrics=dict(psnr=part('reconstruction', PSNR)))
    made = watched(runner)
    assert runner.run() == runner.run()
    assert made == {3: 4, 1: 2}


def test_nothing_is_drawn_that_nobody_measures(tmp_path: Path) -> None:
    metrics = dict(tokens=dict(type='TokenMetric'), codebook=CODEBOOK)
    runner = validator(tmp_path, metrics=metrics)
    made = watched(runner)
    runner.run()
    assert made == {}


def measured(folder: Path) -> dict[str, float]:
    """Validate on this rank; the sums, the pictures and the curve of all."""
    metrics = dict(
        psnr=part('reconstruction', PSNR, once=True),
        drawn=part('generated', CODEBOOK),
        tokens=dict(type='TokenMetric'),
    )
    callbacks = [dict(type='PositionLossCallback')]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(position_loss, 'draw', lambda means, path: None)
        return validator(folder, metrics=metrics, callbacks=callbacks).run()


def test_two_ranks_measure_what_one_does(tmp_path: Path) -> None:
    one = measured(tmp_path / 'one')
    for found in run_ranks(measured, 2, tmp_path / 'two'):
        assert found == pytest.approx(one, rel=1e-5)
    assert one['drawn/usage'] > 0
    curves = [
        [float(line.split(',')[3]) for line in path.read_text().splitlines()[1:]]
        for path in (tmp_path / name / 'position_loss.csv' for name in ('one', 'two'))
    ]
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)


def test_only_reconstructions_stay_the_same() -> None:
    with pytest.raises(ValueError, match="'generated' pictures change with the weigh"):
        PartMetric(part='generated', metric=PSNR, once=True)
    with pytest.raises(ValueError, match="part must be one of .* got 'genrated'"):
        PartMetric(part='genrated', metric=PSNR)  # type: ignore[arg-type]
