"""BEiT v2's VQ-KD: golden cases 05a, from pixels to three training steps."""

import re
from types import SimpleNamespace

import torch
from einops import rearrange
from torch import nn

from tests.golden_cases import cases
from tests.models import golden
from vq.conversion import FAMILIES
from vq.images import normalize
from vq.registry import MODELS


class Fixed(nn.Module):
    """A teacher that says the same of all images."""

    def __init__(self, *, target):
        super().__init__()
        self.target = target

    def forward(self, original_image):
        return self.target


def network(case):
    """Build the VQKD of a case, with its weights, and return it and our names."""
    config, enc = case.config, case.config['enc']
    grid = enc['img_size'] // enc['patch_size']
    sizes = dict(
        width=enc['embed_dim'],
        heads=enc['num_heads'],
        mlp_ratio=enc['mlp_ratio'],
        latent_dim=config['embed_dim'],
    )
    target = rearrange(case.inputs['teacher_target'], 'b (h w) c -> b c h w', h=grid)
    model = MODELS.build(
        dict(
            type='VQKD',
            tokenizer=dict(
                type='ImageTokenizer',
                encoder=dict(
                    type='ViTEncoder',
                    in_dim=enc['in_chans'],
                    image_size=enc['img_size'],
                    patch=enc['patch_size'],
                    depth=enc['depth'],
                    **sizes,
                ),
                post_encode=dict(type='Identity'),
                quantizer=dict(
                    type='NormEMAQuantizer',
                    codebook_size=config['n_embed'],
                    dim=config['embed_dim'],
                    decay=config['decay'],
                ),
            ),
            decoder=dict(
                type='ViTDecoder',
                out_dim=config['out_dim'],
                grid=grid,
                depth=config['dec_depth'],
                **sizes,
            ),
            teacher=dict(type=Fixed, target=target),
        )
    )
    renamed = FAMILIES['beitv2'].to_ours(case.weights, with_decoder=True)
    model.load_state_dict(renamed.weights)
    return model, {theirs: ours for ours, theirs in renamed.mapped.items()}


def pixels(case):
    """Return a batch as the original prepares it: from [0, 1] to [-1, 1]."""
    return SimpleNamespace(
        image=normalize(255 * case.inputs['x01']), original_image=None
    )


def rows(features):
    return rearrange(features, 'b c h w -> b (h w) c')


@cases('05a_')
def test_tokens_and_features(path):
    case = golden.Case(path)
    model, _ = network(case)
    image, expected = pixels(case).image, case.outputs
    golden.close_values(image, expected['preprocessed'])
    tokenizer = model.eval().tokenizer
    with torch.no_grad():
        patches = tokenizer.encoder.trunk(image)
        latent = tokenizer.encode(image)
        told = model.val_step(pixels(case))
        loss = model.generator_loss(pixels(case))
    assert torch.equal(told.quantized.tokens.flatten(), expected['indices'])
    tokens = tokenizer.tokenize(image)
    assert torch.equal(rearrange(tokens, 'b h w -> b (h w)'), expected['get_tokens'])
    golden.close_values(
        rearrange(patches, 'b h w d -> b (h w) d'), expected['encoder_patch_tokens']
    )
    golden.close_values(rows(latent), expected['to_quantizer'])
    golden.close_values(told.quantized.latent, expected['quantize'])
    golden.close_values(tokenizer.tokens_to_latent(tokens), expected['quantize'])
    golden.close_values(rows(told.features), expected['rec'])
    golden.close_values(loss.logs['commitment_loss'], expected['emb_loss'])
    golden.close_values(loss.logs['feature_loss'], expected['rec_loss'])


@cases('05a_')
def test_evaluation_counts_in_the_original_alone(path):
    case = golden.Case(path)
    model, _ = network(case)
    before = model.tokenizer.quantizer.counts.clone()
    tokens = model.eval().tokenizer(pixels(case).image).tokens
    hits = tokens.flatten().bincount(minlength=len(before))
    decay = case.config['decay']
    golden.close_values(
        decay * before + (1 - decay) * hits,
        case.outputs['eval_cluster_size_after_one_encode'],
    )
    assert torch.equal(model.tokenizer.quantizer.counts, before)


@cases('05a_')
def test_training(path):
    case = golden.Case(path)
    model, names = network(case)
    (rate,) = re.findall(r'moved by -([\d.]+)\*grad', ' '.join(case.json['notes']))
    everything = golden.under(case.outputs, 'train/')
    steps = len({key.split('/')[0] for key in everything})
    assert steps
    for step in range(steps):
        expected = golden.under(everything, f'step{step}/')
        model.zero_grad()
        loss = model.train().generator_loss(pixels(case))
        check_losses(loss, expected)
        check_codebook(model.tokenizer.quantizer, expected)
        loss.total.backward()
        if step == 0:
            check_gradients(model, names, expected)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= float(rate) * parameter.grad


def check_losses(loss, expected):
    golden.close_values(loss.total, expected['loss'])
    for theirs, ours in dict(
        quant_loss='commitment_loss', rec_loss='feature_loss', total_loss='total'
    ).items():
        golden.close_values(loss.logs[ours], expected[f'log/{theirs}'])


def check_codebook(quantizer, expected):
    expected = golden.under(expected, 'quantize/')
    golden.close_values(quantizer.codebook.detach(), expected['weight'])
    golden.close_values(quantizer.counts, expected['cluster_size'])
    assert quantizer.initialized and expected['initted'].all()


def check_gradients(model, names, expected):
    gradients = {
        key: model.get_parameter(name).grad
        for key, name in names.items()
        if not key.startswith('quantize.')
    }
    assert model.tokenizer.quantizer.codebook.grad is None
    norms = golden.under(expected, 'gradnorm/')
    assert norms.keys() == gradients.keys()
    for key, value in norms.items():
        golden.close_gradients(gradients[key].norm(), value)
    for key, value in golden.under(expected, 'grad/').items():
        golden.close_gradients(gradients[key], value)
