"""VQGAN against taming-transformers' VQModel: golden cases 01a and 01b."""

import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden, tiny
from vq.conversion import taming
from vq.conversion.rules import ConversionError

ADAPTED = {  # the original's logs in our names
    'rec_loss': 'l1_loss',
    'g_loss': 'generator_loss',
    'd_weight': 'adaptive_weight',
    'total_loss': 'total',
    'disc_loss': 'discriminator_loss',
    'logits_real': 'logits_real',
    'logits_fake': 'logits_fake',
}


@cases('01a_')
def test_encode_and_decode(path):
    case = golden.Case(path)
    model = golden.taming_vqgan(case).eval()
    image, expected = case.inputs['x'], case.outputs
    with torch.no_grad():
        golden.close_values(model.tokenizer.encoder(image), expected['encoder_out'])
        golden.close_values(model.tokenizer.encode(image), expected['prequant'])
        quantized = model.tokenizer(image)
        decoded = model.decode(quantized.latent)
        codes = case.inputs['codes']
        latent = model.tokenizer.tokens_to_latent(codes)
        detokenized = model.detokenize(codes)
    flat = rearrange(quantized.tokens, 'b h w -> (b h w)')
    assert torch.equal(flat, expected['indices'])
    assert torch.equal(model.tokenizer.tokenize(image), quantized.tokens)
    golden.close_values(quantized.latent, expected['quant'])
    golden.close_values(sum(quantized.losses.values()), expected['emb_loss'])
    golden.close_values(decoded, expected['dec'])
    assert torch.equal(latent, expected['codes_quant'])
    golden.close_values(detokenized, expected['codes_dec'])


@pytest.mark.parametrize('when', ['before', 'after'])
@pytest.mark.parametrize('kind', ['hinge', 'vanilla'])
@cases('01a_')
def test_generator_loss_and_gradients(path, kind, when):
    case = golden.Case(path)
    expected = golden.under(case.outputs, f'{kind}/{when}/gen/')
    model = golden.taming_vqgan(case, loss=kind)
    batch = golden.images(case.inputs['x'])
    loss = model.generator_loss(batch, 1.0 if when == 'after' else 0.0)
    loss.total.backward()
    golden.close_values(loss.total, expected['loss'])
    for original, name in ADAPTED.items():
        if f'log/{original}' in expected and name in loss.logs:
            golden.close_values(loss.logs[name], expected[f'log/{original}'])
    check_gradients(model, expected, part='autoencoder')
    if when == 'after':
        loss = model.discriminator_loss(batch, loss.reconstruction.image.detach())
        loss.total.backward()
        check_discriminator(model, loss, case, f'{kind}/after/disc/')


def check_discriminator(model, loss, case, prefix):
    expected = golden.under(case.outputs, prefix)
    golden.close_values(loss.total, expected['loss'])
    for name in ('logits_real', 'logits_fake'):
        golden.close_values(loss.logs[name], expected[f'log/{name}'])
    check_gradients(model, expected, part='discriminator')
    # Fake in the generator's pass, then real and fake in the discriminator's.
    buffers = golden.under(expected, 'disc_buffer_after_three_calls/')
    state = model.state_dict()
    for key, name in renamed(case, 'loss.discriminator.', buffers):
        golden.close_values(state[name], buffers[key])


def check_gradients(model, expected, *, part):
    """Compare all gradients; the original's generator pass touches D as well."""
    parameters = dict(model.named_parameters())
    for kind in ('grad', 'gradnorm'):
        given = golden.under(expected, f'{kind}/')
        for key, value in given.items():
            whole = key if part == 'autoencoder' else f'loss.discriminator.{key}'
            if part == 'autoencoder' and key.startswith('loss.'):
                continue
            (name,) = taming_name(model, whole)
            gradient = parameters[name].grad
            actual = gradient if kind == 'grad' else gradient.norm()
            golden.close_gradients(actual, value)


def taming_name(model, key):
    """Return our name of a key, levels and layers counted as in `model`."""
    ups = len(model.decoder.levels)
    last = 2 + 3 * len(model.discriminator.blocks)
    frame = {
        f'decoder.up.{ups - 1}.upsample.conv.bias': 0,
        f'loss.discriminator.main.{last}.bias': 0,
    }
    ours = list(taming.convert(frame)[0])
    converted = taming.convert(frame | {key: 1})[0]
    return [name for name, value in converted.items() if value or name not in ours]


def renamed(case, prefix, keys):
    """Pair keys (without prefix) with our names, using the case's key order."""
    everything = {key: key for key in case.weights}
    ours = {key: name for name, key in taming.convert(everything)[0].items()}
    return [(key, ours[prefix + key]) for key in keys]


def idle_discriminator(model, steps, batch, before):
    """Do to the discriminator what the original does before `disc_start`.

    There it runs three times, which moves its BatchNorm, and Adam steps with zero
    gradients, which counts for its bias correction. We do neither.
    """
    with torch.no_grad():
        fake = model(batch.image).image
        for image in (before, batch.image, fake):
            model.discriminator(image)
    optimizer = steps['discriminator'].optimizer
    for parameter in model.discriminator.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()


def check_losses(logs, expected, tolerance):
    quantizer = logs['codebook_loss'] + logs['commitment_loss']
    golden.close(quantizer, expected['opt0/log/quant_loss'], 0, tolerance)
    golden.close(logs['total'], expected['opt0/loss'], 0, tolerance)
    for original, name in ADAPTED.items():
        if name in logs:
            key = 'opt1' if name.startswith(('disc', 'logits')) else 'opt0'
            golden.close(logs[name], expected[f'{key}/log/{original}'], 0, tolerance)


def alternate(case, dtype, tolerances):
    """Do the case's alternating steps, compare their losses; return the model."""
    expected = golden.under(case.outputs, f'f{torch.finfo(dtype).bits}/')
    start = case.config['loss']['disc_start']
    model = golden.taming_vqgan(
        case, discriminator_start=start, discriminator_forward='repeated'
    ).to(dtype)
    steps = tiny.adam(model, lr=case.config['lr'])
    for steps.iteration in range(case.config['steps']):
        batch = golden.images(case.inputs['x'][steps.iteration].to(dtype))
        with torch.no_grad():
            before = model(batch.image).image
        logs = model.train_step(batch, steps)
        tolerance = tolerances[min(steps.iteration, len(tolerances) - 1)]
        check_losses(logs, golden.under(expected, f'step{steps.iteration}/'), tolerance)
        if steps.iteration < start:
            idle_discriminator(model, steps, batch, before)
        else:
            assert 'discriminator_loss' in logs
    return model


@cases('01b_')
def test_alternating_steps_in_float64(path):
    case = golden.Case(path)
    expected = golden.under(case.outputs, 'f64/')
    model = alternate(case, torch.float64, [1e-9])
    state, final = model.state_dict(), golden.under(expected, 'final/')
    for key, name in renamed(case, '', final):
        golden.close(state[name], final[key], 0, 1e-6)
    model.eval()
    with torch.no_grad():
        image = model(case.inputs['x'][0].double()).image
    golden.close(image, expected['after/dec_eval_of_step0_batch'], 0, 1e-6)


@cases('01b_')
def test_losses_of_alternating_steps_in_float32(path):
    # Adam turns rounding noise into steps of full size, so later losses drift.
    alternate(golden.Case(path), torch.float32, [1e-4, 1e-2])


@cases('01a_')
def test_every_key_of_the_original_has_a_place(path):
    case = golden.Case(path)
    converted, _ = taming.convert(case.weights)
    assert set(converted) == set(golden.taming_vqgan(case).state_dict())


def test_unknown_keys_are_named():
    with pytest.raises(ConversionError, match='transformer.h.0'):
        taming.convert({'transformer.h.0': torch.zeros(1)})
