"""The curve is the mean cross-entropy of each place, whatever the batches."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.models.tiny_proposal import validator
from tests.runs import job, toy
from vq.callbacks import position_loss
from vq.callbacks.position_loss import draw, write
from vq.datasets.decoding import read_image
from vq.runners import Validator

CURVE = [dict(type='PositionLossCallback')]


def test_the_curve_is_the_mean_of_each_place(tmp_path: Path) -> None:
    runner = validator(tmp_path, callbacks=CURVE)
    runner.run()
    losses = []
    model: Any = runner.model
    for index in range(len(runner.dataset)):
        sample: Any = runner.dataset[index]
        image = sample.original_image[None] / 127.5 - 1
        with torch.no_grad():
            rows = model.tokenizer.tokenize(image).flatten(1)[..., None]
            condition = model.condition(torch.tensor([sample.category]))
            (logits,) = model.transformer(rows, condition)
        told = logits[0].double().log_softmax(-1)
        losses.append(functional.nll_loss(told, rows[0, :, 0], reduction='none'))
    expected = torch.stack(losses).mean(0).tolist()

    assert (tmp_path / 'position_loss.png').stat().st_size > 1000
    with (tmp_path / 'position_loss.csv').open() as file:
        found = [*csv.DictReader(file)]
    assert [float(line['loss']) for line in found] == pytest.approx(expected, rel=1e-5)
    places = [tuple(int(v) for k, v in line.items() if k != 'loss') for line in found]
    assert places == [(i, i // 4, i % 4) for i in range(16)]


def test_each_checkpoint_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_loss, 'draw', lambda means, path: None)
    runner = validator(tmp_path / 'iter_1', callbacks=CURVE)
    runner.run()
    torch.nn.init.zeros_(runner.model.transformer.head.linear.weight)  # type: ignore[union-attr, arg-type]
    runner.work_dir = tmp_path / 'iter_2'
    runner.run()
    one, two = ((tmp_path / n / 'position_loss.csv') for n in ('iter_1', 'iter_2'))
    assert one.read_text() != two.read_text()
    last = two.read_text().splitlines()[-1].split(',')
    assert last[:3] == ['15', '3', '3']
    assert float(last[3]) == pytest.approx(torch.tensor(32.0).log().item(), rel=1e-6)


def test_the_picture_shows_the_map(tmp_path: Path) -> None:
    means = torch.linspace(1, 2, 12, dtype=torch.float64).view(3, 4)
    draw(means, tmp_path / 'a.png')
    draw(means.flip(0), tmp_path / 'b.png')
    first, second = read_image(tmp_path / 'a.png'), read_image(tmp_path / 'b.png')
    assert first.shape == second.shape and not first.equal(second)
    write(means, tmp_path / 'a.csv')
    assert len((tmp_path / 'a.csv').read_text().splitlines()) == 13


def test_of_other_systems_nothing_is_written(tmp_path: Path) -> None:
    arguments = toy(callbacks=CURVE)
    kept = ('model', 'dataset', 'dataloader', 'strategy', 'callbacks')
    runner = Validator(job=job(tmp_path), **{k: arguments[k] for k in kept})
    runner.run()
    assert not (tmp_path / 'position_loss.csv').exists()
