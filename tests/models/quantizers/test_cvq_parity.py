"""CVQuantizer gives the original's numbers and the reference system's (03, 09b)."""

import torch

from tests.golden_cases import cases
from tests.models import golden
from tests.models.quantizers.test_anchors import TEMPERATURE, contrast
from vq.models import CVQuantizer
from vq.models.quantizers import anchors
from vq.models.quantizers.base import to_latent, to_rows

ANCHORS = dict(closest='nearest', random='random', probrandom='probabilistic')
DISTANCES = dict(cos='cosine', l2='l2')


def variants(case):
    return case.json['original']['constructor']['variants'].items()


def of_variant(case, variant):
    contrastive = variant['contras_loss']
    module = CVQuantizer(
        codebook_size=case.config['n'],
        dim=case.config['dim'],
        distance=DISTANCES[variant['distance']],
        commitment_weight=case.config['beta'],
        anchor=ANCHORS[variant['anchor']],
        contrastive_weight=1.0 if contrastive else 0.0,
        contrastive_temperature=TEMPERATURE,
        first_batch_only=variant['first_batch'],
    )
    state = dict(
        codebook=case.weights['embedding.weight'],
        probability=case.weights['embed_prob'],
    )
    if module.anchor == 'random':
        state |= dict(pool=case.inputs['pool_features'], pooled=torch.tensor(0))
    if module.first_batch_only:
        state |= dict(anchored=torch.tensor(False))
    module.load_state_dict(state)
    return module


def check_draws(monkeypatch, draws):
    """Let the module draw what the original has drawn."""
    for name in ('probable_rows', 'random_rows', 'shuffled'):
        monkeypatch.setattr(anchors, name, lambda *_, **__: draws)


@cases('03_')
def test_parity_with_the_original(path, monkeypatch):
    case = golden.Case(path)
    for name, variant in variants(case):
        module = of_variant(case, variant)
        for step in range(case.config['steps']):
            nothing = torch.arange(module.codebook_size)
            draws = case.inputs.get(f'draws/{name}/step{step}', nothing)
            check_draws(monkeypatch, draws)
            latent = case.inputs[variant['input']][step]
            check_step(module, latent, case.outputs, f'{name}/step{step}/')
        expected = golden.under(case.outputs, f'{name}/eval/')
        result = module.eval()(case.inputs[variant['input']][case.config['steps']])
        assert torch.equal(result.tokens.flatten(), expected['indices'])
        golden.close_values(sum(result.losses.values()), expected['loss'])


def check_step(module, latent, outputs, prefix):
    expected = golden.under(outputs, prefix)
    before = module.codebook.detach().clone().requires_grad_()
    latent = latent.requires_grad_()
    result = module(latent)
    loss = sum(result.losses.values())
    gradients = torch.autograd.grad(loss, (latent, module.codebook))
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(loss, expected['loss'])
    if 'zq' in expected:
        golden.close_values(result.latent, expected['zq'])
    golden.close_gradients(gradients[0], expected['grad_z'])
    of_codes = expected['grad_codebook']
    if module.contrastive_weight:
        rows = to_rows(latent.detach())
        of_codes = of_codes + mistake(before, rows, module, expected['codebook_after'])
    golden.close_gradients(gradients[1], of_codes)
    golden.close_values(module.probability, expected['embed_prob_after'])
    golden.close_values(module.codebook.detach(), expected['codebook_after'])
    if 'pool_after' in expected:
        golden.close_values(module.pool, expected['pool_after'])


def mistake(codes, rows, module, after):
    """Return by how much the original's gradient of the contrastive loss is wrong.

    It overwrites the codes before its backward pass, which then goes through others
    than the forward pass: only some products are computed with them.
    """
    (right,) = torch.autograd.grad(contrast(codes, rows, module.distance), codes)
    overwritten = codes.detach().clone().requires_grad_()
    loss = contrast(overwritten, rows, module.distance)
    overwritten.data.copy_(after)
    (wrong,) = torch.autograd.grad(loss, overwritten)
    return right - wrong


@cases('09b_')
def test_parity_with_the_reference_system(path):
    """It moves the codes first."""
    case = golden.Case(path)
    codes = case.weights['embedding.weight']
    for name, distance in (('L2Distance', 'l2'), ('CosineDistance', 'cosine')):
        module = CVQuantizer(
            codebook_size=len(codes),
            dim=codes.shape[1],
            distance=distance,
            update_first=True,
        )
        state = dict(codebook=codes, probability=case.weights['probability'])
        module.load_state_dict(state)
        expected = golden.under(case.outputs, f'cvq_nearest/{name}/')
        for step in range(case.config['steps']):
            rows = case.inputs['x'][step]
            check_reference(module, rows, golden.under(expected, f'step{step}/'))
        expected = golden.under(expected, 'eval/')
        rows = case.inputs['x'][case.config['steps']]
        result = module.eval()(to_latent(rows, torch.empty(1, 1, len(rows), 1)))
        assert torch.equal(result.tokens.flatten(), expected['quant'])
        golden.close_values(sum(result.losses.values()), expected['loss'])


def check_reference(module, rows, expected):
    latent = to_latent(rows, torch.empty(1, 1, len(rows), 1)).requires_grad_()
    result = module(latent)
    loss = sum(result.losses.values())
    of_latent, of_codes = torch.autograd.grad(loss, (latent, module.codebook))
    assert torch.equal(result.tokens.flatten(), expected['quant'])
    golden.close_values(to_rows(result.latent), expected['z'])
    golden.close_values(loss, expected['loss'])
    golden.close_gradients(to_rows(of_latent), expected['grad_x'])
    golden.close_gradients(of_codes, expected['grad_embedding'])
    golden.close_values(module.probability, expected['probability_after'])
    golden.close_values(module.codebook.detach(), expected['embedding_after'])
