"""NormEMAQuantizer: formulas, parity with BEiT v2's code and the reference system's."""

import pytest
import torch
from torch.nn import functional

from tests.golden_cases import cases
from tests.models import golden
from vq.models import NormEMAQuantizer
from vq.models.quantizers import vector
from vq.models.quantizers.base import to_latent, to_rows
from vq.models.quantizers.kmeans import kmeans


def quantizer(**changes):
    return NormEMAQuantizer(**dict(codebook_size=8, dim=4, init='normal') | changes)


@pytest.mark.parametrize('update_first', [False, True])
def test_codes_turn_to_the_directions_of_their_latents(update_first):
    module = quantizer(decay=0.9, update_first=update_first)
    latent = torch.randn(2, 4, 3, 5)
    before = module.codebook.detach().clone()
    result = module(latent)
    rows = functional.normalize(to_rows(latent), dim=1)
    tokens = (rows @ before.T).argmax(1)
    assert torch.equal(result.tokens.flatten(), tokens)
    after = before.clone()
    for token in tokens.unique():
        mean = functional.normalize(rows[tokens == token].mean(0), dim=0)
        after[token] = functional.normalize(0.9 * before[token] + 0.1 * mean, dim=0)
    torch.testing.assert_close(module.codebook.detach(), after)
    unused = tokens.bincount(minlength=8) == 0
    assert torch.equal(module.codebook[unused], before[unused])
    codes = (after if update_first else before)[tokens]
    torch.testing.assert_close(to_rows(result.latent), codes)
    error = (rows - codes).square().mean()
    torch.testing.assert_close(result.losses, {'commitment_loss': error})


def test_codes_begin_on_the_sphere_and_stay_there():
    module = quantizer(decay=0.5)
    ones = torch.ones(8)
    torch.testing.assert_close(module.codebook.norm(dim=1).detach(), ones)
    for _ in range(50):
        module(5 * torch.randn(2, 4, 3, 5))
    module.replace_codes(torch.tensor([1, 6]), 7 * torch.randn(2, 4))
    torch.testing.assert_close(module.codebook.norm(dim=1).detach(), ones)


def test_by_default_it_begins_with_k_means_on_the_sphere():
    module = NormEMAQuantizer(codebook_size=8, dim=4, decay=0.0)
    latent = torch.randn(2, 4, 5, 5)
    module(latent)
    rows = to_rows(latent)
    # The pass itself is, without a memory, one more round.
    centres, _ = kmeans(rows, 8, distance='cosine', rounds=11)
    torch.testing.assert_close(module.codebook.detach(), centres)
    assert module.initialized


def test_latents_that_cancel_out_leave_their_code():
    module = quantizer(codebook_size=1, dim=2, decay=0.5)
    before = module.codebook.detach().clone()
    module(torch.tensor([[1.0, -1.0], [0.0, 0.0]]).view(1, 2, 1, 2))
    torch.testing.assert_close(module.codebook.detach(), before)


def test_the_codebook_gets_no_gradient():
    module = quantizer()
    latent = torch.randn(2, 4, 5, 5, requires_grad=True)
    result = module(latent)
    (sum(result.losses.values()) + result.latent.sum()).backward()
    assert latent.grad is not None and module.codebook.grad is None


def of_case(case, **changes):
    config = case.config
    return NormEMAQuantizer(
        codebook_size=config['n_embed'],
        dim=config['dim'],
        commitment_weight=config['beta'],
        decay=config['decay'],
        **changes,
    )


def check_step(module, latent, expected):
    result = module(latent)
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    golden.close_values(result.losses['commitment_loss'], expected['loss'])
    golden.close_values(module.codebook.detach(), expected['weight'])
    return result


@cases('05b_')
def test_parity_with_beit(path):
    case = golden.Case(path)
    module = of_case(case, init='normal')
    names = dict(codebook='embedding.weight', counts='cluster_size')
    module.load_state_dict({key: case.weights[name] for key, name in names.items()})
    steps = case.config['steps']
    for step in range(steps):
        expected = golden.under(case.outputs, f'ema/step{step}/')
        latent = case.inputs['z'][step].requires_grad_()
        result = check_step(module, latent, expected)
        total = sum(result.losses.values()) + result.latent.square().mean()
        (gradient,) = torch.autograd.grad(total, latent)
        golden.close_gradients(gradient, expected['grad_z_of_loss_plus_mean_zq2'])
        golden.close_values(module.counts, expected['cluster_size'])
    before = module.counts.clone()
    expected = golden.under(case.outputs, 'ema/eval/')
    check_step(module.eval(), case.inputs['z'][steps], expected)
    # The original goes on counting.
    assert torch.equal(module.counts, before)
    assert not torch.equal(expected['cluster_size'], before)


@cases('05b_')
def test_parity_with_k_means_of_beit(path):
    case = golden.Case(path)
    expected = golden.under(case.outputs, 'kmeans/')
    centres, counts = kmeans(
        to_rows(case.inputs['z'][0]),
        case.config['n_embed'],
        distance='cosine',
        start=case.inputs['kmeans_initial_indices'],
    )
    golden.close_values(centres, expected['means'])
    assert torch.equal(counts, expected['bins'])


@cases('05b_')
def test_parity_with_a_start_by_k_means(path, monkeypatch):
    case = golden.Case(path)
    start = case.inputs['kmeans_initial_indices']
    monkeypatch.setattr(vector, 'kmeans', lambda *a, **k: kmeans(*a, **k, start=start))
    module = of_case(case)
    steps = sorted(k for k in case.outputs if k.startswith('kmeans_init/'))
    for step in range(len({key.split('/')[1] for key in steps})):
        expected = golden.under(case.outputs, f'kmeans_init/step{step}/')
        check_step(module, case.inputs['z'][step], expected)
        golden.close_values(module.counts, expected['cluster_size'])
        assert module.initialized and expected['initted'].all()


@cases('09b_')
def test_parity_with_the_reference_system(path):
    """It moves the codes first."""
    case = golden.Case(path)
    codes = functional.normalize(case.weights['embedding.weight'], dim=1)
    module = NormEMAQuantizer(
        codebook_size=len(codes), dim=codes.shape[1], update_first=True, init='normal'
    )
    module.load_state_dict({'codebook': codes, 'counts': torch.zeros(len(codes))})
    expected = golden.under(case.outputs, 'vqkd_callback/')
    for step in range(len({key.split('/')[0] for key in expected})):
        check_reference(module, case.inputs['x'][step], step, expected)


def check_reference(module, rows, step, expected):
    latent = to_latent(rows, torch.empty(1, module.dim, len(rows), 1)).requires_grad_()
    result = module(latent)
    (gradient,) = torch.autograd.grad(sum(result.losses.values()), latent)
    out = golden.under(expected, f'step{step}/')
    assert torch.equal(result.tokens.flatten(), out['quant'])
    golden.close_values(to_rows(result.latent), out['z'])
    golden.close_values(sum(result.losses.values()), out['loss'])
    golden.close_gradients(to_rows(gradient), out['grad_x'])
    golden.close_values(module.codebook.detach(), out['embedding_after'])
