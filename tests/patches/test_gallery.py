"""Galleries go on where they stood, and say what does not fit."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.log import Records
from tests.patches.painting import NoiseDataset, tokenize
from vq.datasets import TokenDataset, TokenMeta, TokenWriter
from vq.datasets.base import Unreadable
from vq.patches import Gallery, Settings, reading
from vq.types import Sample, SampleKey

NOISE = dict(type='NoiseDataset', length=30, height=8, width=8)
SETTINGS = Settings(patches=4, columns=2, scale=1)


@pytest.fixture(scope='module')
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenDataset:
    """Return tokens of 2x2 patches, 480 in all, of up to 255 codes."""
    return tokenize(tmp_path_factory.mktemp('run'), NOISE, patch=(2, 2))


class Failing(NoiseDataset):
    """Ends the run when it has read `last` pictures."""

    last = 0

    def read(self, index: int) -> Tensor:
        if self.last and len(self.reads) == self.last:
            raise KeyboardInterrupt
        return super().read(index)


def noise(last: int = 0) -> Failing:
    dataset = Failing(length=30, height=8, width=8)
    dataset.last = last
    return dataset


def gallery(
    store: TokenDataset, out: Path, dataset: Any = None, **changes: int
) -> Gallery:
    settings = dataclasses.replace(SETTINGS, **changes)
    return Gallery(store, dataset or noise(), out=out, settings=settings)


def run(made: Gallery, codes: Any = None, most: int = 999) -> dict[str, float]:
    return made.run(codes=codes, most=most, num_workers=0)


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_an_interrupted_run_goes_on(
    store: TokenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, 'BATCH', 2)
    run(gallery(store, tmp_path / 'a'))
    first, second = noise(last=14), noise()
    with pytest.raises(KeyboardInterrupt):
        run(gallery(store, tmp_path / 'b', first))
    run(gallery(store, tmp_path / 'b', second))
    assert files(tmp_path / 'a') == files(tmp_path / 'b')
    # The first image is looked at once more, for its size.
    assert first.reads == [0, *range(13)]
    assert second.reads == [0, *range(12, 30)]


def test_finished_sheets_are_kept(store: TokenDataset, tmp_path: Path) -> None:
    run(gallery(store, tmp_path))
    expected = files(tmp_path)
    sheets = sorted(tmp_path.glob('*.png'))
    sheets[3].unlink()
    (tmp_path / '.7.tmp.png').touch()
    before = {s: s.stat().st_mtime_ns for s in sheets if s.exists()}
    dataset = noise()
    run(gallery(store, tmp_path, dataset))
    assert files(tmp_path) == expected
    assert {s: s.stat().st_mtime_ns for s in before} == before
    assert len(dataset.reads) <= 5
    dataset = noise()
    run(gallery(store, tmp_path, dataset))
    assert dataset.reads == []


def test_the_page_is_sorted_by_use(
    store: TokenDataset, tmp_path: Path, log: Records
) -> None:
    found = run(gallery(store, tmp_path), most=5)
    tokens = np.concatenate([store[i][0].numpy().ravel() for i in range(30)])
    counts = np.bincount(tokens, minlength=256)
    order = sorted(range(256), key=lambda code: (-counts[code], code))
    record = json.loads((tmp_path / 'index.json').read_text())
    assert [c['code'] for c in record['codes']] == order[:5]
    assert [c['count'] for c in record['codes']] == [counts[c] for c in order[:5]]
    assert found['sheets'] == 5 == len(list(tmp_path.glob('*.png')))
    shares = counts[counts > 0] / 480
    assert found['entropy'] == pytest.approx(-(shares * np.log(shares)).sum())
    assert (found['used'], found['dead']) == (len(shares), 256 - len(shares))
    (text,) = log.texts(logging.WARNING)
    assert f'--most {len(shares)} shows all' in text


def test_single_codes_join_the_page(
    store: TokenDataset, tmp_path: Path, log: Records
) -> None:
    run(gallery(store, tmp_path / 'all'))
    there = {int(path.stem) for path in (tmp_path / 'all').glob('*.png')}
    one, two, three, *_ = sorted(there)
    out = tmp_path / 'some'
    run(gallery(store, out), codes=[two, one])
    run(gallery(store, out), codes=[three, 255, one])
    for path in out.glob('*.png'):  # which do not depend on what else is shown
        assert path.read_bytes() == (tmp_path / 'all' / path.name).read_bytes()
    assert {int(path.stem) for path in out.glob('*.png')} == {one, two, three}
    record = json.loads((out / 'index.json').read_text())
    assert {c['code'] for c in record['codes']} == {one, two, three}
    assert log.texts(logging.WARNING) == [
        'these codes never occur, and get no sheet: [255]'
    ]
    with pytest.raises(ValueError, match=r'codes must be in \[0, 256\), got \[256\]'):
        run(gallery(store, out), codes=[256, one])


def test_a_sheet_has_so_many_patches_a_row(store: TokenDataset, tmp_path: Path) -> None:
    token = int(store[0][0][0, 0])
    run(gallery(store, tmp_path, columns=3, patches=2), codes=[token])
    with Image.open(tmp_path / f'{token}.png') as sheet:
        assert sheet.size == (3 * 6 + 4, 6 + 4)


def test_other_settings_are_refused(store: TokenDataset, tmp_path: Path) -> None:
    run(gallery(store, tmp_path), codes=[3])
    with pytest.raises(ValueError, match='patches was 4 and is 5. Pass another folder'):
        run(gallery(store, tmp_path, patches=5), codes=[3])
    (tmp_path / 'settings.json').unlink()
    with pytest.raises(ValueError, match='holds other files, such as .* --out'):
        run(gallery(store, tmp_path), codes=[3])


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        (dict(sub_token=1), 'sub_token must be below 1'),
        (dict(patches=0), 'patches must be >= 1, got 0'),
        (dict(seed=-1), 'seed must be >= 0, got -1'),
    ],
)
def test_bad_settings(
    store: TokenDataset, tmp_path: Path, change: dict[str, int], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        gallery(store, tmp_path, **change)


class Torn(NoiseDataset):
    def __getitem__(self, key: SampleKey | int) -> Sample | Unreadable:
        return Unreadable(['5.png: it is torn'])


def test_an_image_that_is_gone_is_named(store: TokenDataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'5\.png: it is torn; it could be read when'):
        run(gallery(store, tmp_path, Torn(length=30, height=8, width=8)))


def test_tokens_of_several_crops_are_refused(tmp_path: Path) -> None:
    meta = TokenMeta(
        token_sizes=(4,),
        grid=(2, 2),
        block_size=30,
        number=30,
        dataset='30 pictures of noise',
        transforms=[],
        tokenizer='',
        crops=10,
    )
    with TokenWriter(tmp_path / 'tokens', meta=meta) as writer:
        tokens, ids = torch.zeros(30, 10, 2, 2).long(), [str(i) for i in range(30)]
        writer.add(torch.arange(30), tokens, torch.zeros(30), ids)
    with pytest.raises(ValueError, match='10 crops of each image.*one; tokenize'):
        gallery(TokenDataset(tmp_path / 'tokens'), tmp_path / 'out')


def test_codes_that_no_float_holds(tmp_path: Path) -> None:
    codes = [2**60 - 1, 2**60 - 2, 2**60 - 3, 5]
    meta = TokenMeta(
        token_sizes=(2**60,),
        grid=(2, 2),
        block_size=30,
        number=30,
        dataset='30 pictures of noise',
        transforms=[],
        tokenizer='',
    )
    with TokenWriter(tmp_path / 'tokens', meta=meta) as writer:
        tokens = torch.tensor(codes).reshape(1, 2, 2).repeat(30, 1, 1)
        ids = [noise().id(index) for index in range(30)]
        writer.add(torch.arange(30), tokens, torch.zeros(30), ids)
    store = TokenDataset(tmp_path / 'tokens')
    run(gallery(store, tmp_path / 'out'), codes=codes[1:3])
    assert {p.stem for p in (tmp_path / 'out').glob('*.png')} == {
        str(code) for code in codes[1:3]
    }
    record = json.loads((tmp_path / 'out' / 'index.json').read_text())
    assert [c['code'] for c in record['codes']] == sorted(codes[1:3])
