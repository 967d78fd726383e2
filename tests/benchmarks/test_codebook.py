"""The benchmark of codebooks: its cases are what they say, and its report is right."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vq.config import check, load
from vq.registry import MODELS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def codebook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    return importlib.import_module('codebook')


@pytest.mark.parametrize('number', range(2))
def test_every_case_has_about_the_size_it_says(
    codebook: ModuleType, number: int, tmp_path: Path
) -> None:
    size = codebook.SIZES[number]
    for family in codebook.CASES:
        config = load(codebook.write_config(tmp_path, family, size, 50))
        check(config)
        with torch.device('meta'):
            model = MODELS.build(config.trainer.model)
        assert abs(model.tokenizer.codebook_size - size) <= 0.03 * size, family
        assert config.trainer.iters == 50
        assert sorted(config.validator.metrics) == ['codebook', 'psnr']


def test_the_table_has_a_row_a_family_and_its_seconds(codebook: ModuleType) -> None:
    results = [
        dict(
            family=family,
            size=size,
            usage=0.5,
            perplexity=1234.4,
            psnr=20.125,
            seconds=100.0,
        )
        for size in codebook.SIZES
        for family in ('VQ', 'FSQ')
    ]
    rows = codebook.table(results[:3]).splitlines()
    assert (
        rows[2] == '| VQ | 50.0% | 1,234 | 20.12 | 100 | 50.0% | 1,234 | 20.12 | 100 |'
    )
    assert rows[3] == '| FSQ | 50.0% | 1,234 | 20.12 | 100 |  |  |  |  |'
    assert len(rows) == 4


def test_the_picture_is_drawn(codebook: ModuleType, tmp_path: Path) -> None:
    results = [
        dict(family=family, size=size, usage=0.5, psnr=20.0)
        for size in codebook.SIZES
        for family in ('VQ', 'FSQ')
    ]
    codebook.draw(results, tmp_path / 'usage.png')
    assert (tmp_path / 'usage.png').stat().st_size > 1000
