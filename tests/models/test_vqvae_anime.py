"""The strided VQ-VAE as a system: its configs, its two phases, its codebook, bf16."""

import math

import pytest
import torch

from tests.runs import job
from vq import config, paths
from vq.registry import MODELS, RUNNERS
from vq.runners.parameters import groups
from vq.runners.schedules import Schedule

CONFIGS = paths.ROOT / 'configs' / 'vqvae'
START, RAMP, ITERS = 2, 2, 6  # of the tiny runs
GENERATOR = ('tokenizer.', 'decoder.')


def load(name, **options):
    return config.load(CONFIGS / f'{name}.py', options=options).trainer


def build(model):
    with torch.device('meta'):
        return MODELS.build(model)


@pytest.mark.parametrize(
    ('name', 'latent', 'codebook'),
    [
        ('anime', 256, (1024, 256)),
        ('anime_2048', 256, (2048, 256)),
        ('anime_d384', 384, (1024, 256)),
        ('anime_large', 384, (2048, 384)),
        ('anime_attention', 256, (1024, 256)),
        ('anime_gan', 256, (1024, 256)),
    ],
)
def test_full_size(name, latent, codebook):
    model = build(load(name).model)
    image = torch.empty(2, 3, 256, 256, device='meta')
    quantizer = model.tokenizer.quantizer
    assert model.tokenizer.encoder(image).shape == (2, latent, 16, 16)
    assert model.tokenizer.encode(image).shape == (2, codebook[1], 16, 16)
    shape = (2, codebook[1], 16, 16)
    assert model.decode(torch.empty(shape, device='meta')).shape == image.shape
    assert quantizer.codebook.shape == codebook
    assert (quantizer.decay, quantizer.eps) == (0.99, 1e-5)
    assert quantizer.commitment_weight == 0.25
    weights = {k: loss.weight for k, loss in model.reconstruction_losses.items()}
    assert weights == dict(l1_loss=1.0, lpips_loss=0.5)


def test_no_optimizer_has_the_codebook():
    for name in ('anime', 'anime_d384', 'anime_gan'):
        trainer = load(name)
        model = build(trainer.model)
        taken = [
            name
            for optimizer, spec in trainer.optimizers.items()
            for name in groups(model, spec.params, optimizer=optimizer)[1]
        ]
        trained = {k for k, p in model.named_parameters() if p.requires_grad}
        assert trained - set(taken) == {'tokenizer.quantizer.codebook'}
        assert len(taken) == len(trained) - 1


def test_the_rate_warms_up_and_falls_by_a_cosine():
    trainer = load('anime', iters=120, warmup=20)
    weights = torch.nn.Parameter(torch.zeros(1))
    spec = trainer.optimizers.generator
    optimizer = torch.optim.AdamW([weights], lr=spec.lr)
    schedule = Schedule(optimizer, trainer.schedulers.generator)
    rates = []
    for _ in range(121):
        rates.append(optimizer.param_groups[0]['lr'])
        schedule.step({})
    rising = [1e-6 + (2e-4 - 1e-6) * i / 19 for i in range(20)]
    falling = [
        1e-5 + (2e-4 - 1e-5) * (1 + math.cos(math.pi * i / 100)) / 2 for i in range(101)
    ]
    torch.testing.assert_close(rates, rising + falling)
    assert load('anime').schedulers.generator.milestones == [2000]


def test_the_rate_may_follow_validation():
    trainer = load('anime_plateau')
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    schedule = Schedule(optimizer, trainer.schedulers.generator)
    for value in (0.3, 0.2, 0.2, 0.2, 0.2, 0.2):  # four without an improvement
        schedule.tell({'val/l1': torch.tensor(value)})
    assert optimizer.param_groups[0]['lr'] == 1e-4


def tiny_trainer(folder, name, *, autocast=None, **options):
    """Return a trainer of a narrow network, on synthetic pictures of 16 px."""
    trainer = load(name, iters=ITERS, warmup=2, **options)
    network = dict(depth=1, latent_dim=8, norm_groups=4)
    trainer.model.tokenizer.encoder.update(dims=(8, 16), **network)
    trainer.model.tokenizer.quantizer.update(codebook_size=32, dim=8)
    trainer.model.decoder.update(dims=(16, 8), head_dim=8, **network)
    trainer.dataset = dict(type='SyntheticDataset', length=12, size=16, transforms=[])
    trainer.dataloader = dict(batch_size=4, num_workers=0)
    trainer.strategy.autocast = autocast
    acting = ('KMeansCallback', 'RevivalCallback')
    trainer.callbacks = [c for c in trainer.callbacks if c.type in acting]
    return RUNNERS.build(trainer, job=job(folder))


def run(trainer):
    """Train; return the weights before each iteration and behind the last; the logs."""
    weights, logs = [], []
    step = trainer.model.train_step

    def watched(batch, optimizers):
        weights.append(snapshot(trainer.model))
        logs.append(step(batch, optimizers))
        return logs[-1]

    trainer.model.train_step = watched
    trainer.run()
    return [*weights, snapshot(trainer.model)], logs


def snapshot(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def moves(before, after, prefix):
    """Return whether a weight below `prefix` differs."""
    keys = [key for key in before if key.startswith(prefix)]
    assert keys
    return any(not torch.equal(before[key], after[key]) for key in keys)


def test_the_first_phase_is_the_plain_vqvae_then_the_discriminator_joins_in(tmp_path):
    plain, _ = run(tiny_trainer(tmp_path / 'plain', 'anime_photos'))
    both = tiny_trainer(
        tmp_path / 'both', 'anime_gan_photos', gan_start=START, gan_ramp=RAMP
    )
    weights, logs = run(both)
    for i in range(START + 1):
        assert all(
            torch.equal(weights[i][key], value) for key, value in plain[i].items()
        )
    assert all(
        moves(weights[i], plain[i], 'decoder.') for i in range(START + 1, ITERS + 1)
    )
    shares = [log['adversarial_share'].item() for log in logs]
    expected = [min(1.0, max(0.0, (i - START + 1) / (RAMP + 1))) for i in range(ITERS)]
    torch.testing.assert_close(shares, expected)
    for i in range(ITERS):
        assert moves(weights[i], weights[i + 1], 'discriminator.') == (i >= START)
        assert all(moves(weights[i], weights[i + 1], part) for part in GENERATOR)
        terms = [logs[i][key] for key in ('commitment_loss', 'l1_loss')]
        if i >= START:
            terms.append(shares[i] * logs[i]['generator_loss'])
        torch.testing.assert_close(logs[i]['total'], sum(terms))
    assert load('anime_gan').model.adversarial_loss.generator_weight == 0.1


def test_bfloat16_stays_near_float32_and_spares_the_codebook(tmp_path):
    _, exact = run(tiny_trainer(tmp_path / 'exact', 'anime_photos'))
    trainer = tiny_trainer(tmp_path / 'bf16', 'anime_photos', autocast='auto')
    rounded, logs = run(trainer)
    losses, expected = ([log['l1_loss'] for log in kept] for kept in (logs, exact))
    torch.testing.assert_close(losses, expected, rtol=3e-2, atol=0)
    assert losses != expected
    codebook = 'tokenizer.quantizer.codebook'
    assert rounded[-1][codebook].dtype == torch.float32
    assert moves(rounded[0], rounded[-1], codebook)
    assert trainer.model.tokenizer.quantizer.codebook.grad is None
