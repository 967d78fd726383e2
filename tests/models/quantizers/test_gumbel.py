"""GumbelQuantizer: formulas, gradients, noise, parity with the original (02c)."""

import math

import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden, tiny
from vq.models import GumbelQuantizer
from vq.registry import MODELS

MODES = {  # of the original: is it in training, does it give one code
    'train_hard': (True, True),
    'train_soft': (True, False),
    'eval': (False, True),
}


def quantizer(**changes):
    return GumbelQuantizer(**dict(codebook_size=16, dim=4, in_dim=6) | changes)


def inject(module, monkeypatch, noise):
    """Let a quantizer draw this noise, (b, k, h, w)."""
    drawn = rearrange(noise, 'b k h w -> b h w k')
    monkeypatch.setattr(module, '_noise', lambda logits: drawn)


@pytest.mark.parametrize('mode', MODES)
@cases('02c_')
def test_parity_with_the_original(path, mode, monkeypatch):
    case = golden.Case(path)
    config = case.config
    for temperature in config['temps']:
        training, straight_through = MODES[mode]
        module = GumbelQuantizer(
            codebook_size=config['n'],
            dim=config['dim'],
            in_dim=config['hidden'],
            kl_weight=config['kl'],
            straight_through=straight_through,
            eval_noise=True,
        )
        load(module, case.weights)
        module.train(training)
        module.temperature = temperature
        name = f'{mode}/temp{temperature}'
        inject(module, monkeypatch, case.inputs[f'noise/{name}'])
        check(module, case.inputs['z'], golden.under(case.outputs, f'{name}/'))
    codes = rearrange(
        case.inputs['codes'], '(b h w) -> b h w', b=config['b'], h=config['hw']
    )
    golden.close_values(module.tokens_to_latent(codes), case.outputs['codebook_entry'])


def load(module, weights):
    """Load the original's weights."""
    ours = {key.replace('embed.weight', 'codebook'): w for key, w in weights.items()}
    module.load_state_dict(ours)


def check(module, latent, expected):
    latent = latent.clone().requires_grad_()
    result = module(latent)
    loss = result.losses['kl_loss']
    (loss + result.latent.square().mean()).backward()
    assert torch.equal(result.tokens, expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    golden.close_values(loss, expected['kl_loss'])
    logits = rearrange(module.logits(latent), 'b h w k -> b k h w')
    golden.close_values(logits, expected['logits'])
    golden.close_gradients(latent.grad, expected['grad_z'])
    golden.close_gradients(module.codebook.grad, expected['grad_embed'])
    golden.close_gradients(module.proj.weight.grad, expected['grad_proj_weight'])


def test_without_noise_the_likeliest_code_is_taken():
    module = quantizer().eval()
    latent = torch.randn(2, 6, 3, 5)
    result = module(latent)
    tokens = module.proj(latent).argmax(1)
    assert torch.equal(result.tokens, tokens)
    assert torch.equal(module.latent_to_tokens(latent), tokens)
    codes = rearrange(module.codebook[tokens], 'b h w d -> b d h w')
    assert torch.equal(result.latent, codes)
    assert torch.equal(module.tokens_to_latent(tokens), codes)


def test_draws_are_as_frequent_as_the_softmax_says():
    module = quantizer(codebook_size=4, temperature=0.5)
    with torch.no_grad():
        tokens = module(torch.ones(1, 6, 100, 100)).tokens
        shares = module.logits(torch.ones(1, 6, 1, 1)).softmax(-1).flatten()
    frequencies = tokens.flatten().bincount(minlength=4) / tokens.numel()
    torch.testing.assert_close(frequencies, shares, rtol=0, atol=0.02)


def test_divergence_of_two_even_codes_and_of_a_uniform_choice():
    module = quantizer(codebook_size=8, kl_weight=2.0)
    torch.nn.init.zeros_(module.proj.weight)
    bias = torch.tensor([0.0, 0.0] + [-200.0] * 6)
    module.load_state_dict({'proj.bias': bias}, strict=False)
    loss = module(torch.randn(1, 6, 2, 2)).losses['kl_loss']
    torch.testing.assert_close(loss, torch.tensor(2 * math.log(4)))
    torch.nn.init.zeros_(module.proj.bias)
    uniform = module(torch.randn(1, 6, 2, 2)).losses['kl_loss']
    torch.testing.assert_close(uniform, torch.tensor(0.0))


@pytest.mark.parametrize('straight_through', [True, False])
def test_gradients_are_those_of_the_mixture(straight_through, monkeypatch):
    module = quantizer(straight_through=straight_through, temperature=0.7)
    latent, ramp = torch.randn(1, 6, 2, 2), torch.randn(1, 4, 2, 2)
    noise = torch.rand(1, 16, 2, 2)
    inject(module, monkeypatch, noise)
    weights = ((module.proj(latent) + noise) / 0.7).softmax(1)
    mixture = torch.einsum('b k h w, k d -> b d h w', weights, module.codebook)
    inputs = (module.proj.weight, module.codebook)
    expected = torch.autograd.grad((mixture * ramp).sum(), inputs)
    result = module(latent)
    actual = torch.autograd.grad((result.latent * ramp).sum(), inputs)
    torch.testing.assert_close(actual[0], expected[0])
    if straight_through:  # all of the code's gradient is its own
        flat = rearrange(ramp, 'b d h w -> (b h w) d')
        expected_codes = torch.zeros(16, 4).index_add(0, result.tokens.flatten(), flat)
        torch.testing.assert_close(actual[1], expected_codes)
        assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))
    else:
        torch.testing.assert_close(actual[1], expected[1])
        torch.testing.assert_close(result.latent, mixture)


def test_noise_in_evaluation_is_an_option():
    latent = torch.zeros(1, 6, 8, 8)
    module = quantizer(eval_noise=True).eval()
    likeliest = module.proj.bias.argmax()
    assert (module.latent_to_tokens(latent) == likeliest).all()
    assert len(module(latent).tokens.unique()) > 1
    module.eval_noise = False
    assert (module(latent).tokens == likeliest).all()


def test_float32_under_autocast():
    module = quantizer().eval()
    latent = torch.randn(1, 6, 3, 3)
    plain = module(latent)
    with torch.autocast('cpu', torch.bfloat16):
        mixed, half = module(latent), module(latent.bfloat16())
    assert torch.equal(mixed.latent, plain.latent)
    assert mixed.losses == plain.losses
    assert half.latent.dtype == half.losses['kl_loss'].dtype == torch.float32


def test_float64_stays_float64():
    result = quantizer().double()(torch.randn(1, 6, 2, 2, dtype=torch.float64))
    assert result.latent.dtype == result.losses['kl_loss'].dtype == torch.float64


def test_other_channels_in_than_out():
    assert GumbelQuantizer(codebook_size=8, dim=4).in_dim == 4
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='GumbelQuantizer', codebook_size=8, dim=4, in_dim=6
    )
    with pytest.raises(ValueError, match='gives 4 channels, quantizer takes 6'):
        MODELS.build(config)
    config['tokenizer']['post_encode']['out_dim'] = 6
    model = MODELS.build(config)
    image = torch.zeros(1, 3, 16, 16)
    assert model(image).image.shape == image.shape
    config['pre_decode']['in_dim'] = 6
    with pytest.raises(ValueError, match='gives 4 channels, pre_decode takes 6'):
        MODELS.build(config)


def test_temperature_is_positive():
    with pytest.raises(ValueError, match='got 0'):
        quantizer(temperature=0)


def test_it_trains_in_a_vqgan_and_its_draws_follow_the_seed():
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='GumbelQuantizer', codebook_size=8, dim=4
    )
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        model = MODELS.build(config)
        steps = tiny.adam(model)
        runs.append([model.train_step(tiny.batch(), steps) for _ in range(2)])
    assert runs[0] == runs[1]
    assert 'kl_loss' in runs[0][0] and runs[0][0] != runs[0][1]
    quantizer = model.tokenizer.quantizer
    assert all(p.grad.any() for p in quantizer.parameters())
