"""VQGAN: which step moves what, when the discriminator runs, and what is logged."""

import pytest
import torch

from tests.models import tiny
from vq.registry import MODELS
from vq.types import Reconstruction

GENERATOR = ['tokenizer', 'pre_decode', 'decoder']


def snapshot(model, names):
    return [p.detach().clone() for p in tiny.parameters(model, names)]


def moved(model, names, before):
    pairs = zip(tiny.parameters(model, names), before, strict=True)
    return any(not torch.equal(now, then) for now, then in pairs)


def test_total_is_the_sum_of_its_terms():
    model = MODELS.build(tiny.vqgan())
    logs = model.generator_loss(tiny.batch(), 0.5).logs
    terms = logs['codebook_loss'] + logs['commitment_loss'] + logs['l1_loss']
    adversarial = logs['adaptive_weight'] * logs['generator_loss']
    torch.testing.assert_close(logs['total'], terms + 0.5 * adversarial)


def test_l1_loss_is_that_of_the_reconstruction():
    model = MODELS.build(tiny.vqgan())
    batch = tiny.batch()
    loss = model.generator_loss(batch)
    expected = (loss.reconstruction.image - batch.image).abs().mean()
    torch.testing.assert_close(loss.logs['l1_loss'], expected.detach())


def test_train_step_moves_all_parts():
    model = MODELS.build(tiny.vqgan())
    parts = ['tokenizer.encoder', 'tokenizer.quantizer', 'decoder', 'discriminator']
    before = {part: snapshot(model, [part]) for part in parts}
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert all(moved(model, [part], before[part]) for part in parts)
    assert all(log.shape == () and not log.requires_grad for log in logs.values())


@pytest.mark.parametrize('forward', ['shared', 'repeated'])
def test_the_discriminator_waits_for_its_start(forward):
    config = tiny.vqgan(discriminator_start=2, discriminator_forward=forward)
    model = MODELS.build(config)
    steps = tiny.adam(model)
    calls = []
    model.discriminator.register_forward_hook(lambda *_: calls.append(1))
    before = snapshot(model, ['discriminator'])
    for steps.iteration in (0, 1):
        assert 'generator_loss' not in model.train_step(tiny.batch(), steps)
    assert not calls and not moved(model, ['discriminator'], before)
    steps.iteration = 2
    assert 'discriminator_loss' in model.train_step(tiny.batch(), steps)
    assert len(calls) == 3 and moved(model, ['discriminator'], before)


@pytest.mark.parametrize(('forward', 'number'), [('shared', 1), ('repeated', 2)])
def test_shared_runs_the_autoencoder_once(forward, number):
    model = MODELS.build(tiny.vqgan(discriminator_forward=forward))
    calls = []
    model.decoder.register_forward_hook(lambda *_: calls.append(1))
    model.train_step(tiny.batch(), tiny.adam(model))
    assert len(calls) == number


def test_the_generator_step_gives_the_discriminator_no_gradient():
    model = MODELS.build(tiny.vqgan())
    model.generator_loss(tiny.batch(), 1.0).total.backward()
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_the_discriminator_step_gives_the_generator_no_gradient():
    for forward in ('shared', 'repeated'):
        model = MODELS.build(tiny.vqgan(discriminator_forward=forward))
        fake = model(tiny.batch().image).image.detach() if forward == 'shared' else None
        model.discriminator_loss(tiny.batch(), fake).total.backward()
        assert all(p.grad is None for p in tiny.parameters(model, GENERATOR))


def test_every_so_many_iterations():
    model = MODELS.build(tiny.vqgan(discriminator_every=3))
    steps = tiny.adam(model)
    for steps.iteration in range(6):
        model.train_step(tiny.batch(), steps)
    assert steps['generator'].calls == 6 and steps['discriminator'].calls == 2


def test_ramp_grows_linearly_from_the_start():
    model = MODELS.build(tiny.vqgan(discriminator_start=10, adversarial_ramp=3))
    factors = [model.adversarial_factor(i) for i in (9, 10, 11, 12, 13, 99)]
    assert factors == [0, 0.25, 0.5, 0.75, 1, 1]
    plain = MODELS.build(tiny.vqgan(discriminator_start=10))
    assert [plain.adversarial_factor(i) for i in (9, 10)] == [0, 1]


def test_the_share_of_the_adversarial_loss_is_logged():
    model = MODELS.build(tiny.vqgan(discriminator_start=2, adversarial_ramp=3))
    steps, shares = tiny.adam(model), []
    for steps.iteration in range(7):
        logs = model.train_step(tiny.batch(), steps)
        shares.append(logs['adversarial_share'].item())
        assert ('generator_loss' in logs) == (shares[-1] > 0)
    assert shares == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_works_without_a_discriminator():
    config = tiny.vqgan(discriminator=None, adversarial_loss=None)
    model = MODELS.build(config)
    steps = tiny.adam(model)
    first = model.train_step(tiny.batch(), steps)['total']
    assert 'adversarial_share' not in model.train_step(tiny.batch(), steps)
    for _ in range(20):
        last = model.train_step(tiny.batch(), steps)['total']
    assert last < first


def test_none_drops_a_reconstruction_loss():
    losses = {'l1_loss': None, 'mse_loss': {'type': 'MSELoss', 'weight': 2.0}}
    model = MODELS.build(tiny.vqgan(reconstruction_losses=losses))
    logs = model.generator_loss(tiny.batch()).logs
    assert 'mse_loss' in logs and 'l1_loss' not in logs


def test_val_step_reconstructs():
    model = MODELS.build(tiny.vqgan()).eval()
    batch = tiny.batch()
    with torch.no_grad():
        result = model.val_step(batch)
    assert isinstance(result, Reconstruction)
    assert result.image.shape == batch.image.shape
    assert result.quantized.tokens.shape == (2, 8, 8)


@pytest.mark.parametrize(
    'changes',
    [
        {'discriminator_forward': 'twice'},
        {'adversarial_loss': None},
        {'discriminator_every': 0},
    ],
)
def test_wrong_arguments_are_named(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        MODELS.build(tiny.vqgan(**changes))


def test_bfloat16_autocast_keeps_the_quantizer_and_the_losses_in_float32():
    model = MODELS.build(tiny.vqgan())
    with torch.autocast('cpu', torch.bfloat16):
        loss = model.generator_loss(tiny.batch(), 1.0)
        fake = loss.reconstruction.image.detach()
        of_discriminator = model.discriminator_loss(tiny.batch(), fake)
    assert loss.reconstruction.quantized.latent.dtype == torch.float32
    for value in (loss, of_discriminator):
        value.total.backward()
        assert all(log.dtype == torch.float32 for log in value.logs.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_reconstruction_and_adversarial_parts_pull_on_the_generator_separately():
    model = MODELS.build(tiny.vqgan(adversarial_weight=None))
    batch = tiny.batch()

    def gradient(factor):
        model.zero_grad()
        model.generator_loss(batch, factor).total.backward()
        return model.decoder.last_parameter.grad.clone()

    plain, half, full = gradient(0.0), gradient(0.5), gradient(1.0)
    assert not torch.allclose(plain, full)
    torch.testing.assert_close(half, (plain + full) / 2)


def test_the_discriminator_learns_alone_before_the_generator_feels_it():
    config = tiny.vqgan(discriminator_start=2, adversarial_warmup=3, adversarial_ramp=1)
    model = MODELS.build(config)
    factors = [model.adversarial_factor(i) for i in range(7)]
    assert factors == [0, 0, 0, 0, 0, 0.5, 1]
    updates = [model.discriminator_update(i) for i in range(5)]
    assert updates == [None, None, 0, 1, 2]
    steps = tiny.adam(model)
    steps.iteration = 2
    logs = model.train_step(tiny.batch(), steps)
    assert 'discriminator_loss' in logs and 'generator_loss' not in logs
    assert steps['generator'].calls == steps['discriminator'].calls == 1


def test_the_generator_waits_for_its_start():
    model = MODELS.build(tiny.vqgan(generator_start=2))
    before = snapshot(model, GENERATOR)
    steps = tiny.adam(model)
    for steps.iteration in (0, 1):
        logs = model.train_step(tiny.batch(), steps)
        assert 'discriminator_loss' in logs and 'total' not in logs
    assert not moved(model, GENERATOR, before)
    steps.iteration = 2
    assert 'generator_loss' in model.train_step(tiny.batch(), steps)
    assert moved(model, GENERATOR, before)


def test_the_discriminator_minimises_its_regularizers_too():
    penalties = {'r1': {'type': 'R1Penalty', 'every': 4}, 'lecam': {'type': 'LeCAM'}}
    config = tiny.vqgan(discriminator_every=2, regularizers=penalties)
    model = MODELS.build(config)
    batch = tiny.batch()
    fake = model(batch.image).image.detach()
    loss = model.discriminator_loss(batch, fake, 4)
    terms = [loss.logs[name] for name in ('discriminator_loss', 'r1', 'lecam')]
    torch.testing.assert_close(loss.total.detach(), sum(terms))
    steps, when = tiny.adam(model), []
    for steps.iteration in range(18):
        logs = model.train_step(batch, steps)
        assert ('lecam' in logs) == (steps.iteration % 2 == 0)
        if 'r1' in logs:
            when.append(steps.iteration)
    assert when == [0, 8, 16]  # each fourth update, and an update every second time


def test_accuracies_are_the_shares_that_the_discriminator_tells_apart():
    model = MODELS.build(tiny.vqgan())
    batch = tiny.batch()
    fake = model(batch.image).image.detach()
    # In eval mode batch norms do not move between the passes.
    model.eval()
    logs = model.discriminator_loss(batch, fake).logs
    real, unreal = model.discriminator(batch.image), model.discriminator(fake)
    assert logs['accuracy_real'] == (real > 0).float().mean()
    assert logs['accuracy_fake'] == (unreal < 0).float().mean()


def test_both_gradients_behind_the_adaptive_weight_are_logged():
    model = MODELS.build(tiny.vqgan())
    logs = model.generator_loss(tiny.batch(), 1.0).logs
    ratio = logs['reconstruction_gradient'] / (logs['adversarial_gradient'] + 1e-4)
    torch.testing.assert_close(logs['adaptive_weight'], 0.8 * ratio)


def test_a_reconstruction_that_is_not_finite_leaves_no_trace_in_the_discriminator():
    model = MODELS.build(tiny.vqgan(regularizers={'lecam': {'type': 'LeCAM'}}))
    batch = tiny.batch()
    statistics = [
        buffer for buffer in model.discriminator.buffers() if buffer.is_floating_point()
    ]
    model.discriminator_loss(batch, model(batch.image).image.detach())
    anchors = model.regularizers['lecam'].anchors.clone()
    model.decoder.last_parameter.data[0, 0, 0, 0] = torch.inf
    loss = model.generator_loss(batch, 1.0)
    fake = loss.reconstruction.image.detach()
    assert not fake.isfinite().all() and not loss.total.isfinite()
    assert not model.discriminator_loss(batch, fake).total.isfinite()
    assert statistics and all(buffer.isfinite().all() for buffer in statistics)
    assert torch.equal(model.regularizers['lecam'].anchors, anchors)
