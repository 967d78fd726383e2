"""A proposal network's checkpoints: what changes is measured anew, the rest once."""

import json
from pathlib import Path

import pytest

from tests.models.tiny_proposal import trainer, validator
from vq.callbacks import position_loss
from vq.runners.monitor import Monitor

METRICS = dict(
    tokens=dict(type='TokenMetric'),
    psnr=dict(
        type='PartMetric', part='reconstruction', metric=dict(type='PSNR'), once=True
    ),
    drawn=dict(type='PartMetric', part='generated', metric=dict(type='PSNR')),
)


def test_each_checkpoint_has_its_numbers_and_its_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_loss, 'draw', lambda means, path: None)
    run = tmp_path / 'run'
    trainer(run, dict(type='CheckpointCallback', interval=1), iters=2, lr=1.0).run()
    watched = validator(
        run / 'val', metrics=METRICS, callbacks=[dict(type='PositionLossCallback')]
    )
    results = Monitor(watched, work_dir=run).run()
    assert list(results) == ['iter_1', 'iter_2']
    for name, found in results.items():
        alone = validator(tmp_path / 'alone', metrics=METRICS)
        alone.load_weights([run / 'checkpoints' / name], strict=True)
        assert found == alone.run()
    one, two = results.values()
    assert one['psnr'] == two['psnr']
    assert one['tokens/loss'] != two['tokens/loss'] and one['drawn'] != two['drawn']

    curves = [run / 'val' / name / 'position_loss.csv' for name in results]
    assert curves[0].read_text() != curves[1].read_text()
    lines = (run / 'val' / 'metrics.jsonl').read_text().splitlines()
    protocols = [json.loads(line)['protocols'] for line in lines]
    assert protocols[0] == protocols[1]
    assert protocols[0]['drawn']['sampling']['cfg'] == 4.0
