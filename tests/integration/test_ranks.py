"""Training on two ranks equals training on one with the same total batch."""

from pathlib import Path

import pytest
import torch

from tests.integration.train import checkpoint, train

SGD = [
    '--override',
    ".trainer.optimizers.generator:dict(type='SGD', lr=0.05, "
    "params=['tokenizer', 'pre_decode', 'decoder'])",
    ".trainer.optimizers.discriminator:dict(type='SGD', lr=0.05, "
    "params=['discriminator'])",
    '.trainer.schedulers:None',
    '.trainer.iters:6',
]


@pytest.mark.parametrize('norm', ['none', 'sync_batch', 'act'])
def test_two_ranks_equal_one(tmp_path: Path, norm: str) -> None:
    """Within 1e-5: sums over ranks add up in another order, six updates deep.

    Shared forward, adaptive weight, warm-up, ramp, R1, LeCAM and, with them,
    synchronised BatchNorm or ActNorm, whose start is drawn from all ranks' images.
    """
    words = [*SGD, f'.trainer.model.discriminator.norm::{norm}']
    if norm == 'act':  # it begins with large factors: a step of 0.05 would leave it
        words.append('.trainer.optimizers.discriminator.lr:1e-6')
    train(tmp_path / 'one', *words)
    train(tmp_path / 'two', *words, ranks=2)
    one, two = (checkpoint(tmp_path / name, 6) for name in ('one', 'two'))
    for key, value in one['model'].items():
        assert value.isfinite().all()
        torch.testing.assert_close(two['model'][key], value, rtol=1e-5, atol=1e-5)


def test_accumulated_equals_whole(tmp_path: Path) -> None:
    """Without the adversarial loss, whose adaptive weight is each micro-batch's own."""
    words = [*SGD, '.trainer.model.discriminator_start:100']
    train(tmp_path / 'whole', *words)
    train(tmp_path / 'parts', *words, '.trainer.accumulate:2')
    whole, parts = (checkpoint(tmp_path / name, 6) for name in ('whole', 'parts'))
    for key, value in whole['model'].items():
        torch.testing.assert_close(parts['model'][key], value, rtol=1e-5, atol=1e-5)
