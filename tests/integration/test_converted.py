"""Converted settings of others train as they say, and a resume goes on exactly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tests.integration.test_commands import run
from tests.integration.train import assert_same, checkpoint
from tests.recipes.settings import DDCONFIG, example
from vq import cli, paths, train
from vq.config import load
from vq.images import save_png
from vq.logs import read_json_lines
from vq.recipes import convert

ITERS, START = 6, 2


def small(name: str) -> dict[str, Any]:
    """Return an example, narrow enough for a test; its discriminator begins early."""
    tree = example(name)
    params = tree['model_args'] if 'model_args' in tree else tree['model']['params']
    sizes = dict(n_embed=32, embed_dim=4)
    params |= dict(ddconfig=dict(DDCONFIG, z_channels=4, attn_resolutions=[]), **sizes)
    params['lossconfig']['params']['disc_start'] = START
    return tree


def pictures(root: Path) -> None:
    """Write two videos of three frames, and a table of all frames."""
    rng = np.random.default_rng(0)
    names = [f'{video}/{frame}.png' for video in 'ab' for frame in range(3)]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(256, size=(3, 32, 32), dtype=np.uint8)
        save_png(torch.from_numpy(noise), root / name)
    (root / 'images.csv').write_text('\n'.join(['image_name', *names]) + '\n')


@pytest.mark.parametrize(
    ('name', 'data', 'learns'),
    [
        ('movqgan_67M.yaml', dict(csv='{}/images.csv'), [3, 4, 5, 6]),
        ('adapter_whole.json', dict(data_root='{}', frames=2), [3, 6]),
    ],
)
def test_trained_resumed_equals_uninterrupted(
    name: str,
    data: dict[str, Any],
    learns: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = tmp_path / name
    dump = json.dumps if name.endswith('json') else yaml.safe_dump
    settings.write_text(dump(small(name)))
    pictures(tmp_path / 'data')
    convert(settings, tmp_path / 'converted.py')
    load(tmp_path / 'converted.py').dump(tmp_path / 'resolved.py')
    here = {key: str(value).format(tmp_path / 'data') for key, value in data.items()}
    dataset = {**here, **({'frames': 2} if 'frames' in data else {}), 'transforms': []}
    parts = dict(
        dataset=dataset,
        dataloader=dict(batch_size=2, num_workers=0),
        model=dict(reconstruction_losses=dict(lpips_loss=None)),
        strategy=dict(autocast=None),
        callbacks=[
            dict(type='LogCallback', interval=1, backends=[]),
            dict(type='CheckpointCallback', interval=3),
        ],
    )
    config = tmp_path / 'small.py'
    config.write_text(f"_base_ = ['resolved.py']\ntrainer = {parts!r}\n")

    def scalars(root: Path, *stops: int) -> list[dict[str, float]]:
        monkeypatch.setattr(paths, 'ROOT', root)
        for iters in stops:
            words = ['--auto-resume', '--override', f'.trainer.iters:{iters}']
            run(train, cli.train_parser, 'run', str(config), *words)
        return read_json_lines(root / 'work_dirs/run/scalars.jsonl')

    whole, parted = tmp_path / 'whole', tmp_path / 'parted'
    lines = scalars(whole, ITERS)
    assert lines == scalars(parted, 4, ITERS)
    assert_same(checkpoint(whole, ITERS), checkpoint(parted, ITERS))
    with_loss = [x['iteration'] for x in lines if 'discriminator_loss' in x]
    assert with_loss == learns
    assert [x['adversarial_share'] for x in lines] == [0.0] * START + [1.0] * (
        ITERS - START
    )
