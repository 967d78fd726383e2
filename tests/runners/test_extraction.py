"""An extraction shows its model each image once, as it is stored, and skips blocks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.runners.extractions import LENGTH, by_hand, extraction
from vq.registry import RUNNERS
from vq.runners import Extraction, Validator


def test_callbacks_are_given_the_models_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    runner = extraction(tmp_path / 'run')
    pooled, indices = [], []

    def collect(runner: Any, batch: Any, output: Any) -> None:
        pooled.append(output.pooled)
        indices.append(batch.index)

    monkeypatch.setattr(runner.callbacks[1], 'after_val_iter', collect)
    assert runner.run() == {}
    assert torch.cat(indices).tolist() == list(range(LENGTH))
    torch.testing.assert_close(
        torch.cat(pooled), torch.from_numpy(by_hand(runner)['pooled'])
    )


def test_metrics_are_not_even_built(tmp_path: Path) -> None:
    config: Mapping[str, Any] = dict(
        type='Extraction',
        model=dict(type='PooledPixels'),
        dataset=dict(type='SpottyDataset'),
        dataloader=dict(batch_size=1, num_workers=0),
        strategy=dict(type='DDPStrategy'),
        metrics=dict(fid=dict(type='FIDMetric', reference='missing_val')),
    )
    from tests.runs import job

    runner = RUNNERS.build(config, job=job(tmp_path))
    assert type(runner) is Extraction and isinstance(runner, Validator)
    assert runner.metrics == {}
