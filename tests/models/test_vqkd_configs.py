"""VQ-KD's fragments: the full-size network, its optimizer's groups and its rates."""

import math

import pytest
import torch

from vq import config, paths
from vq.conversion import structure
from vq.runners.parameters import groups
from vq.runners.schedules import Schedule
from vq.runners.updates import build

SHIPPED = paths.ROOT / 'configs' / 'vqkd' / 'clip_8192_imagenet_ddp.py'


@pytest.fixture(scope='module')
def model():
    """Return the full-size network, without memory and without its teacher."""
    return structure.build(structure.without_losses(config.load(SHIPPED).trainer.model))


def test_every_parameter_is_in_its_group(model):
    """Matrices and kernels decay; what has one axis, or is a token, does not.

    The codebook, which its own passes move, is in none.
    """
    spec = config.load(SHIPPED).trainer.optimizers['generator']
    found, names = groups(model, spec.params, optimizer='generator')
    learnt = dict(model.named_parameters())
    del learnt['tokenizer.quantizer.codebook']
    assert sorted(names) == sorted(learnt)
    tokens = ('class_token', 'positions')
    decays = {
        name: parameter.dim() > 1 and not name.endswith(tokens)
        for name, parameter in learnt.items()
    }
    free, decaying = found
    assert free['weight_decay'] == 0 and 'weight_decay' not in decaying
    for group, decayed in ((free, False), (decaying, True)):
        expected = [n for n, decay in decays.items() if decay is decayed]
        parameters = [model.get_parameter(name) for name in expected]
        assert {id(p) for p in group['params']} == {id(p) for p in parameters}
    assert len(free['params']) == (12 + 1) * 9 + 2 * 7
    assert (spec.weight_decay, spec.lr, spec.eps) == (1e-4, 2e-4, 1e-8)
    assert tuple(spec.betas) == (0.9, 0.99)


def test_sizes(model):
    parts = {name: part for name, part in model.tokenizer.named_children()}
    millions = sum(p.numel() for p in parts['encoder'].parameters()) / 1e6
    assert round(millions, 1) == 86.4
    assert model.tokenizer.quantizer.codebook.shape == (8192, 32)
    trainer = config.load(SHIPPED).trainer
    assert (trainer.iters, trainer.dataloader.to_dict()) == (
        250_000,
        dict(batch_size=512, num_workers=10),
    )


def test_rates_rise_and_fall():
    warmup, iters = 25, 250
    loaded = config.load(SHIPPED, options=dict(warmup=warmup, iters=iters)).trainer
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = build(
        'AdamW', [dict(params=[weight])], dict(lr=2e-4), torch.device('cpu')
    )
    schedule = Schedule(optimizer, loaded.schedulers['generator'])
    rates = []
    for _ in range(iters):
        rates.append(optimizer.param_groups[0]['lr'])
        schedule.step({})
    for step, rate in enumerate(rates):
        if step < warmup:
            share = max(step / (warmup - 1), 1e-8)
            expected = 2e-4 * share
        else:
            cosine = math.cos(math.pi * (step - warmup) / (iters - warmup))
            expected = 1e-5 + (2e-4 - 1e-5) * (1 + cosine) / 2
        assert rate == pytest.approx(expected, rel=1e-5, abs=1e-11), step
    full = config.load(SHIPPED).trainer.schedulers['generator']
    linear, cosine = full.schedulers
    assert (linear.start_factor, linear.total_iters) == (1e-8, 24_999)
    assert (cosine.T_max, cosine.eta_min, full.milestones) == (225_000, 1e-5, [25_000])
