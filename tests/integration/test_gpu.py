"""What only a GPU can show: fused updates, half precision, exact resume on kernels."""

from pathlib import Path

import pytest
import torch

from tests.integration.test_commands import root, run  # noqa: F401
from tests.integration.train import CONFIG, assert_same
from vq import cli, train
from vq.checkpoints import Checkpoint
from vq.logs import read_json_lines

pytestmark = pytest.mark.gpu
EXACT = ['.trainer.strategy.deterministic:True', '.trainer.strategy.tf32:False']


def train_on_gpu(name: str, *words: str) -> None:
    """Train the tiny model as run `name`."""
    run(train, cli.train_parser, name, CONFIG, *words)


def states(root: Path, name: str) -> dict[str, object]:  # noqa: F811
    saved = Checkpoint(root / f'work_dirs/{name}/checkpoints/iter_12')
    return {stem: saved.read(stem) for stem in ('model', 'ema', 'optimizers')}


def test_a_resumed_run_equals_an_uninterrupted(root: Path) -> None:  # noqa: F811
    constant = [*EXACT, '.trainer.schedulers:None']
    train_on_gpu('whole', '--override', *constant)
    train_on_gpu('parts', '--override', *constant, '.trainer.iters:6')
    train_on_gpu('parts', '--auto-resume', '--override', *constant)
    assert_same(states(root, 'whole'), states(root, 'parts'))


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_half_precision_follows_float32(root: Path, precision: str) -> None:  # noqa: F811
    """Within 5 % of the loss: enough to find a wrong scale or a skipped update."""
    train_on_gpu('full', '--override', *EXACT)
    half = [*EXACT, f'.trainer.strategy.autocast::{precision}']
    train_on_gpu('half', '--override', *half)
    full, other = (
        read_json_lines(root / f'work_dirs/{name}/scalars.jsonl')
        for name in ('full', 'half')
    )
    for one, two in zip(full, other, strict=True):
        assert two['l1_loss'] == pytest.approx(one['l1_loss'], rel=0.05)
        assert 'generator_skipped' not in two


def test_fused_updates_skip_on_the_device(root: Path) -> None:  # noqa: F811
    """With an infinite rate of change every loss is NaN from the second iteration."""
    wild = ['.trainer.optimizers.generator.lr:1e38', '.trainer.schedulers:None']
    train_on_gpu('wild', '--override', *wild)
    model = states(root, 'wild')['model']
    assert isinstance(model, dict)
    assert all(torch.isfinite(value).all() for value in model.values())
    records = read_json_lines(root / 'work_dirs/wild/scalars.jsonl')
    assert records[-1]['generator_skipped'] >= 1
