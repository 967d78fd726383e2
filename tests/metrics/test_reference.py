"""Without a name, the reference is what `vq.fid` makes of the validated images."""

from pathlib import Path
from typing import Any

import pytest

from tests.metrics.averages import (
    AVERAGES,
    FID,
    synthetic,
    validator,
    write_statistics,
)
from tests.runs import job
from vq.metrics.statistics import locate
from vq.registry import DATASETS
from vq.runners import Extraction

OTHER_CROP = [dict(type='Resize', size=6), dict(type='CenterCrop', size=6)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of statistics of its own."""
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    return tmp_path / 'pretrained/fid'


def extract(tmp_path: Path, name: str, **changes: Any) -> None:
    """Make statistics as `vq.fid` does."""
    arguments: dict[str, Any] = dict(
        model=AVERAGES,
        dataset=synthetic(),
        dataloader=dict(batch_size=7, num_workers=0),
        callbacks=[dict(type='StatisticsCallback', name=name, block_size=7)],
        strategy=dict(type='DDPStrategy'),
    )
    Extraction(job=job(tmp_path / name), **(arguments | changes)).run()


def test_it_equals_the_one_of_the_same_images_by_name(tmp_path: Path) -> None:
    extract(tmp_path, 'a_other_crop', dataset=dict(synthetic(), transforms=OTHER_CROP))
    extract(tmp_path, 'b_other_images', dataset=synthetic(length=50))
    extract(tmp_path, 'c_other_extractor', model=dict(AVERAGES, power=3))
    extract(
        tmp_path,
        'mine',
        callbacks=[
            dict(type='StatisticsCallback', name='mine', block_size=7, features=20)
        ],
    )
    write_statistics(
        locate('d_nothing_known'), DATASETS.build(synthetic()), changes=dict(ids=None)
    )
    (tmp_path / 'pretrained/fid/e_foreign.safetensors').write_bytes(b'?')
    kid = dict(type='KIDMetric', extractor=AVERAGES, subset_size=5)
    metrics: dict[str, dict[str, Any]] = dict(fid=FID, kid=kid)
    named = {k: dict(v, reference='mine') for k, v in metrics.items()}
    runner, by_name = (validator(tmp_path, metrics=m) for m in (metrics, named))
    assert runner.run() == by_name.run()
    assert runner.protocols() == by_name.protocols()


def test_missing_statistics_are_told_with_what_is_near(tmp_path: Path) -> None:
    metrics = dict(fid=FID)
    with pytest.raises(FileNotFoundError, match='Synthetic.*101 images.*vq.fid'):
        validator(tmp_path, metrics=metrics).run()
    extract(tmp_path, 'near', dataset=dict(synthetic(), transforms=OTHER_CROP))
    with pytest.raises(FileNotFoundError, match='near are of them, but crop is Resize'):
        validator(tmp_path, metrics=metrics).run()
