"""Combinations: every one has a folder of its own, and what was not given stays."""

from pathlib import Path

import pytest

from vq.generation.combinations import combinations
from vq.models.transformers import Sampling

BASE = Sampling(cfg=3.0, top_p=0.9)
OUT = Path('out')


def test_one_value_each_is_one_folder() -> None:
    given = dict(cfg=[2.0], temperature=None, top_k=[100], cfg_schedule='linear')
    assert combinations(given, base=BASE, out=OUT) == {
        OUT: Sampling(cfg=2.0, top_k=100, cfg_schedule='linear', top_p=0.9)
    }
    assert combinations(dict(cfg=None), base=BASE, out=OUT) == {OUT: BASE}


def test_several_values_are_combined() -> None:
    given = dict(cfg=[1.0, 1.5, 1.0], temperature=[1.0], top_k=[0, 16384])
    assert combinations(given, base=BASE, out=OUT) == {
        OUT / f'cfg{cfg:g}_top_k{k}': Sampling(cfg=cfg, top_k=k, top_p=0.9)
        for cfg in (1.0, 1.5)
        for k in (0, 16384)
    }
    with pytest.raises(ValueError, match='cfg must be at least 0'):
        combinations(dict(cfg=[-1.0]), base=BASE, out=OUT)
