"""LlamaGen's VQModel: golden cases 07a, and sizes of the published networks."""

import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden
from vq.conversion.llamagen import TABLE
from vq.models import VectorQuantizer
from vq.registry import MODELS


def network(case):
    """Build the VQModel of a case, with its weights."""
    config, args = case.config, case.config['args']
    sizes = dict(width=config['ch'], latent_dim=args['z_channels'])
    latent_dim, dim = args['z_channels'], args['codebook_embed_dim']
    model = MODELS.build(
        dict(
            type='VQGAN',
            tokenizer=dict(
                type='ImageTokenizer',
                encoder=dict(
                    type='ConvEncoder',
                    width_mults=args['encoder_ch_mult'],
                    depth=config['nres'],
                    **sizes,
                ),
                post_encode=golden.connector(latent_dim, dim),
                quantizer=dict(
                    type='VectorQuantizer',
                    codebook_size=args['codebook_size'],
                    dim=dim,
                    normalize=args['codebook_l2_norm'],
                    commitment_weight=args['commit_loss_beta'],
                    entropy_weight=args['entropy_loss_ratio'],
                ),
            ),
            pre_decode=golden.connector(dim, latent_dim),
            decoder=dict(
                type='ConvDecoder',
                width_mults=args['decoder_ch_mult'][::-1],
                depth=config['nres'] + 1,
                **sizes,
            ),
            reconstruction_losses=dict(mse_loss=dict(type='MSELoss')),
        )
    )
    model.load_state_dict(TABLE.to_ours(case.weights).weights)
    return model


@cases('07a_')
def test_encode_and_decode(path):
    case = golden.Case(path)
    model = network(case).eval()
    image, expected = case.inputs['x'], case.outputs
    with torch.no_grad():
        quantized = model.tokenizer(image)
        decoded = model.decode(quantized.latent)
        encoded = model.tokenizer.encoder(image)
        latent = model.tokenizer.encode(image)
        codes = case.inputs['codes']
        looked_up = model.tokenizer.tokens_to_latent(codes)
        detokenized = model.detokenize(codes)
    assert torch.equal(flat(quantized.tokens), expected['indices'])
    assert torch.equal(model.tokenizer.tokenize(image), quantized.tokens)
    golden.close_values(encoded, expected['encoder_out'])
    golden.close_values(latent, expected['prequant'])
    golden.close_values(quantized.latent, expected['quant'])
    golden.close_values(decoded, expected['dec'])
    golden.close_values(looked_up, expected['codes_quant'])
    golden.close_values(detokenized, expected['codes_dec'])


@cases('07a_')
def test_losses_and_gradients(path):
    case = golden.Case(path)
    model = network(case).train()
    image, expected = case.inputs['x'], golden.under(case.outputs, 'train/')
    loss = model.generator_loss(golden.images(image))
    loss.total.backward()
    parts = [expected[name] for name in ('vq_loss', 'commit_loss', 'entropy_loss')]
    golden.close_values(terms(loss.logs), torch.stack(parts))
    golden.close_values(loss.total, expected['total_with_mse'])
    names = {k: ours for ours, k in TABLE.to_ours(case.weights).mapped.items()}
    gradients = {k: model.get_parameter(name).grad for k, name in names.items()}
    for key, value in golden.under(expected, 'grad/').items():
        close_entropy_gradients(gradients[key], value)
    norms = golden.under(expected, 'gradnorm/')
    assert norms.keys() == gradients.keys()
    for key, value in norms.items():
        close_entropy_gradients(gradients[key].norm(), value)
    usage = used(case, loss.reconstruction.quantized.tokens)
    golden.close_values(usage, expected['usage'])
    quantized = model.tokenizer(image.flip(-1))
    second = golden.under(expected, 'second_call_flipped/')
    golden.close_values(terms(quantized.losses), second['losses'])
    both = torch.cat([loss.reconstruction.quantized.tokens, quantized.tokens])
    golden.close_values(used(case, both), second['usage'])


@pytest.mark.parametrize('normalize', [0, 1])
@cases('07a_')
def test_quantizer_alone(path, normalize):
    case = golden.Case(path)
    everything = golden.under(case.outputs, f'quantizer/l2norm{normalize}_entropy')
    ratios = sorted({key.split('/')[0] for key in everything})
    assert ratios
    for ratio in ratios:
        expected = golden.under(everything, f'{ratio}/')
        module = VectorQuantizer(
            codebook_size=case.config['args']['codebook_size'],
            dim=case.config['args']['codebook_embed_dim'],
            normalize=bool(normalize),
            commitment_weight=case.config['args']['commit_loss_beta'],
            entropy_weight=float(ratio),
        )
        codebook = case.weights['quantize.embedding.weight']
        module.load_state_dict({'codebook': codebook})
        latent = case.outputs['prequant'].clone().requires_grad_()
        result = module(latent)
        sum(result.losses.values()).backward()
        assert torch.equal(flat(result.tokens), expected['indices'])
        golden.close_values(terms(result.losses), expected['losses_vq_commit_entropy'])
        golden.close_values(used(case, result.tokens), expected['usage'])
        close_entropy_gradients(latent.grad, expected['grad_z'])
        close_entropy_gradients(module.codebook.grad, expected['grad_codebook'])


def flat(tokens):
    return rearrange(tokens, 'b h w -> (b h w)')


def terms(losses):
    """Return the original's three terms."""
    names = ['codebook_loss', 'commitment_loss', 'entropy_loss']
    return torch.stack([losses.get(name, torch.tensor(0.0)) for name in names])


def used(case, tokens):
    """Return the share of codes in the original's memory, which begins with zeros."""
    codes = torch.cat([tokens.new_zeros(1), flat(tokens)]).unique()
    return torch.tensor(len(codes) / case.config['args']['codebook_size'])


def close_entropy_gradients(actual, expected):
    """Compare gradients through a softmax of temperature 0.01."""
    golden.close(actual, expected, 2e-3, 1e-6)
