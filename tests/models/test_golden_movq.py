"""MoVQ against MoVQGAN's MOVQ: golden cases 06, and networks of other sizes."""

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.golden_cases import cases, noted
from tests.models import golden
from vq.conversion import FAMILIES, taming
from vq.registry import MODELS

MOVQGAN = FAMILIES['movqgan']


def network(config):
    """Build the MOVQ of a case's config, its pixel loss that of the notes."""
    ddconfig, dim = config['ddconfig'], config['embed_dim']
    latent_dim = ddconfig['z_channels']
    decoder = taming.decoder_config(ddconfig)
    sides = dict(latent_dim=dim, stem_dim=latent_dim)
    return MODELS.build(
        dict(
            type='VQGAN',
            tokenizer=dict(
                type='ImageTokenizer',
                encoder=taming.encoder_config(ddconfig),
                post_encode=golden.connector(latent_dim, dim),
                quantizer=dict(
                    type='VectorQuantizer',
                    codebook_size=config['n_embed'],
                    dim=dim,
                    legacy_beta=True,
                ),
            ),
            pre_decode=dict(type='Identity'),
            decoder=decoder | dict(type='MoVQDecoder', **sides),
            reconstruction_losses=dict(mse_loss=dict(type='MSELoss')),
        )
    )


def published(case):
    """Return a case's network with its weights, and our names by the original's."""
    model = network(case.config)
    renamed = MOVQGAN.to_ours(case.weights)
    assert not renamed.dropped
    model.load_state_dict(renamed.weights)
    return model, {theirs: ours for ours, theirs in renamed.mapped.items()}


@cases('06_')
def test_encode_and_decode(path):
    case = golden.Case(path)
    model, _ = published(case)
    image, codes, expected = case.inputs['x'], case.inputs['codes'], case.outputs
    with torch.no_grad():
        quantized = model.eval().tokenizer(image)
        encoded = model.tokenizer.encoder(image)
        latent = model.tokenizer.encode(image)
        decoded = model.decode(quantized.latent)
        looked_up = model.tokenizer.tokens_to_latent(codes)
        detokenized = model.detokenize(codes)
    flat = rearrange(quantized.tokens, 'b h w -> (b h w)')
    assert torch.equal(flat, expected['indices'])
    assert torch.equal(looked_up, expected['codes_quant'])
    golden.close_values(encoded, expected['encoder_out'])
    golden.close_values(latent, expected['prequant'])
    golden.close_values(quantized.latent, expected['quant'])
    golden.close_values(sum(quantized.losses.values()), expected['emb_loss'])
    golden.close_values(decoded, expected['dec'])
    golden.close_values(detokenized, expected['codes_dec'])


@cases('06_')
def test_losses_and_gradients(path):
    case = golden.Case(path)
    model, names = published(case)
    loss = model.train().generator_loss(golden.images(case.inputs['x']))
    loss.total.backward()
    golden.close_values(loss.total, case.outputs['loss_mse_plus_emb'])
    gradients = {k: model.get_parameter(name).grad for k, name in names.items()}
    norms = golden.under(case.outputs, 'gradnorm/')
    assert norms.keys() == gradients.keys()
    for key, value in norms.items():
        golden.close_gradients(gradients[key].norm(), value)
    whole = golden.under(case.outputs, 'grad/')
    assert whole
    for key, value in whole.items():
        golden.close_gradients(gradients[key], value)


@cases('06_')
def test_spatial_norm_alone(path):
    case = golden.Case(path)
    model, _ = published(case)
    expected = case.outputs['spatial_norm_alone']
    (side,) = noted(path, r'codes_quant\[:, :, :(\d+)')
    numbers = torch.linspace(-2, 2, expected.numel())
    condition = case.outputs['codes_quant'][: len(expected), :, :side, :side]
    with torch.no_grad():
        normed = model.decoder.norm(numbers.sin().view_as(expected), condition)
    golden.close_values(normed, expected)


@pytest.mark.parametrize(
    ('changes', 'dim'),
    [
        (dict(z_channels=8), 4),
        (dict(ch_mult=[1, 1, 2], attn_resolutions=[]), 4),
        (dict(ch_mult=[2, 1], num_res_blocks=2, attn_resolutions=[16, 8]), 6),
    ],
)
def test_other_sizes_equal_the_formula(changes, dim):
    torch.manual_seed(0)
    ddconfig = dict(z_channels=4, resolution=16, in_channels=3, out_ch=3, ch=32)
    ddconfig |= dict(ch_mult=[1, 2], num_res_blocks=1, attn_resolutions=[8]) | changes
    model = network(dict(ddconfig=ddconfig, embed_dim=dim, n_embed=16)).double().eval()
    weights = MOVQGAN.from_ours(model.state_dict()).weights
    sides = 16 >> (len(ddconfig['ch_mult']) - 1)
    latent = torch.randn(2, dim, sides, sides + 1, dtype=torch.float64)
    with torch.no_grad():
        decoded = model.decode(latent)
    torch.testing.assert_close(decoded, Formula(weights, latent).image(ddconfig))


class Formula:
    """MOVQ's decoder by functions of its published weights; the resize comes first."""

    def __init__(self, weights, latent):
        self.weights, self.latent = weights, latent

    def conv(self, name, hidden):
        weight, bias = (self.weights[f'{name}.{leaf}'] for leaf in ('weight', 'bias'))
        return functional.conv2d(hidden, weight, bias, padding=weight.shape[-1] // 2)

    def norm(self, name, hidden):
        times = hidden.shape[-2] // self.latent.shape[-2]
        condition = self.latent.repeat_interleave(times, -1)
        condition = condition.repeat_interleave(times, -2)
        groups = rearrange(hidden, 'b (g d) h w -> b g (d h w)', g=32)
        mean = groups.mean(-1, keepdim=True)
        spread = groups.var(-1, correction=0, keepdim=True).add(1e-6).sqrt()
        normed = ((groups - mean) / spread).view_as(hidden)
        scale, shift = (
            self.weights[f'{name}.norm_layer.{leaf}'][:, None, None]
            for leaf in ('weight', 'bias')
        )
        modulation = [self.conv(f'{name}.conv_{x}', condition) for x in 'yb']
        return (normed * scale + shift) * modulation[0] + modulation[1]

    def residual(self, name, hidden):
        inner = hidden
        for i in (1, 2):
            inner = self.norm(f'{name}.norm{i}', inner)
            inner = self.conv(f'{name}.conv{i}', inner * torch.sigmoid(inner))
        if f'{name}.nin_shortcut.weight' in self.weights:
            hidden = self.conv(f'{name}.nin_shortcut', hidden)
        return hidden + inner

    def attention(self, name, hidden):
        normed = self.norm(f'{name}.norm', hidden)
        query, key, value = (self.conv(f'{name}.{x}', normed).flatten(2) for x in 'qkv')
        scores = torch.einsum('bdi,bdj->bij', query, key) / query.shape[1] ** 0.5
        mixed = torch.einsum('bij,bdj->bdi', scores.softmax(-1), value)
        return hidden + self.conv(f'{name}.proj_out', mixed.view_as(hidden))

    def image(self, ddconfig):
        hidden = self.conv('post_quant_conv', self.latent)
        hidden = self.conv('decoder.conv_in', hidden)
        hidden = self.residual('decoder.mid.block_1', hidden)
        hidden = self.attention('decoder.mid.attn_1', hidden)
        hidden = self.residual('decoder.mid.block_2', hidden)
        for level in reversed(range(len(ddconfig['ch_mult']))):
            side = ddconfig['resolution'] >> level
            for block in range(ddconfig['num_res_blocks'] + 1):
                hidden = self.residual(f'decoder.up.{level}.block.{block}', hidden)
                if side in ddconfig['attn_resolutions']:
                    hidden = self.attention(f'decoder.up.{level}.attn.{block}', hidden)
            if level:
                hidden = hidden.repeat_interleave(2, -1).repeat_interleave(2, -2)
                hidden = self.conv(f'decoder.up.{level}.upsample.conv', hidden)
        hidden = self.norm('decoder.norm_out', hidden)
        return self.conv('decoder.conv_out', hidden * torch.sigmoid(hidden))
