"""EMAQuantizer: formulas, codes that nothing chooses, parity with the original."""

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.golden_cases import cases
from tests.models import golden
from tests.ranks import run_ranks
from vq import distributed
from vq.models import EMAQuantizer
from vq.models.quantizers.base import to_rows
from vq.models.quantizers.ema import RESTING
from vq.models.quantizers.kmeans import kmeans
from vq.runners.strategies import DDPStrategy
from vq.types import Loss


def quantizer(**changes):
    return EMAQuantizer(**dict(codebook_size=8, dim=4) | changes)


def test_codes_are_means_over_passes():
    module = quantizer(decay=0.9, eps=1e-3)
    counts, sums = torch.ones(8), module.codebook.detach().clone()
    for _ in range(5):
        latent, before = torch.randn(2, 4, 5, 5), module.codebook.detach().clone()
        result = module(latent)
        hits = functional.one_hot(result.tokens.flatten(), 8).float()
        counts = 0.9 * counts + 0.1 * hits.sum(0)
        sums = 0.9 * sums + 0.1 * hits.T @ to_rows(latent)
        smooth = (counts + 1e-3) / (counts.sum() + 8 * 1e-3) * counts.sum()
        torch.testing.assert_close(module.codebook.detach(), sums / smooth[:, None])
        # What comes back is of the codes from before the pass.
        codes = rearrange(before[result.tokens], 'b h w d -> b d h w')
        assert torch.equal(result.latent, codes)
        error = (latent - codes).square().mean()
        torch.testing.assert_close(result.losses, {'commitment_loss': 0.25 * error})
    torch.testing.assert_close(module.counts, counts)
    torch.testing.assert_close(module.sums, sums)


def test_on_the_sphere_a_code_is_the_direction_of_the_mean():
    module = quantizer(normalize=True, decay=0.0, eps=0.0)
    latent = 5 * torch.randn(2, 4, 5, 5)
    tokens = module(latent).tokens.flatten()
    units = functional.normalize(to_rows(latent), dim=1)
    for code in tokens.unique():
        mean = units[tokens == code].mean(0)
        torch.testing.assert_close(module.codebook[code].detach(), mean)
    latent = module.tokens_to_latent(torch.arange(8).view(1, 2, 4))
    torch.testing.assert_close(latent.norm(dim=1), torch.ones(1, 2, 4))


def test_the_codebook_gets_no_gradient():
    module = quantizer()
    latent = torch.randn(2, 4, 5, 5, requires_grad=True)
    result = module(latent)
    (sum(result.losses.values()) + result.latent.sum()).backward()
    assert latent.grad is not None and module.codebook.grad is None


def test_a_code_that_nothing_chooses_keeps_its_place():
    module = quantizer(decay=0.9)
    far = torch.full((1, 4), 1e3)
    module.replace_codes(torch.tensor([3]), far)
    near = torch.zeros(1, 4, 5, 5)
    for _ in range(200):
        module(near + 0.1 * torch.randn(1, 4, 5, 5))
    torch.testing.assert_close(module.codebook[3:4].detach(), far, rtol=0.02, atol=0)
    assert RESTING / 0.9 >= module.counts[3] >= RESTING
    # It follows at once when latents come back.
    back = 900 + torch.randn(1, 4, 5, 5)
    module(back)
    torch.testing.assert_close(
        module.codebook[3].detach(), to_rows(back).mean(0), rtol=0.02, atol=0
    )


@pytest.mark.parametrize('decay', [0.0, 0.5, 0.99])
def test_codes_stay_finite_whatever_the_latents_do(decay):
    module = quantizer(decay=decay)
    latent = torch.randn(1, 4, 1, 2)
    for _ in range(1500 if decay == 0.99 else 100):
        module(latent)
    assert module.codebook.isfinite().all() and module.sums.isfinite().all()
    assert module.codebook.norm(dim=1).min() > 1e-2


def test_a_replaced_code_is_not_pulled_back_nor_carried_away():
    module = quantizer()
    for _ in range(50):
        module(torch.randn(4, 4, 8, 8))
    codes = torch.tensor([[9.0, 9, 9, 9], [-9, -9, -9, -9]])
    tokens = torch.tensor([2, 5])
    module.replace_codes(tokens, codes)
    assert torch.equal(module.codebook[tokens], codes)
    module(torch.randn(4, 4, 8, 8))  # nothing for them
    torch.testing.assert_close(module.codebook[tokens].detach(), codes)
    module(torch.full((1, 4, 1, 1), 11.0))  # one latent, for the first
    moved = module.codebook[2].detach() - codes[0]
    assert (moved > 0).all() and (moved < 0.1).all()


def test_k_means_sets_statistics_too():
    module = quantizer(init='kmeans')
    latent = torch.randn(2, 4, 5, 5)
    module.decay = 1 - 1e-9  # so that the pass itself moves nothing
    module(latent)
    centres, _ = kmeans(to_rows(latent), 8)
    torch.testing.assert_close(module.codebook.detach(), centres)
    torch.testing.assert_close(module.sums / module.counts[:, None], centres)


def test_unknown_decay():
    with pytest.raises(ValueError, match=r'decay must be in \[0, 1\), got 1'):
        quantizer(decay=1)


def stepped():
    """Train on two ranks with weight decay; return whether the codebook has a grad."""
    module = quantizer()
    connector = torch.nn.Conv2d(4, 4, 1)
    parameters = [*connector.parameters(), *module.parameters()]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.5, lr=0.1)
    phase = DDPStrategy().phase(parameters)

    def loss():
        result = module(connector(torch.randn(1, 4, 4, 4) + distributed.rank()))
        total = sum(result.losses.values()) + result.latent.square().mean()
        return Loss(total=total, logs={})

    for _ in range(2):
        phase(loss).total.backward()
        before = module.codebook.detach().clone()
        optimizer.step()
        assert torch.equal(module.codebook, before)
        assert module.codebook.grad is None
        optimizer.zero_grad()
    return module.codebook.tolist()


def test_neither_ddp_nor_weight_decay_touches_the_codebook():
    one, other = run_ranks(stepped, 2)
    assert one == other


def of_case(case, state=None):
    config = case.config
    module = EMAQuantizer(
        codebook_size=config['n'],
        dim=config['dim'],
        commitment_weight=config['beta'],
        decay=config['decay'],
        eps=config['eps'],
    )
    weights = golden.under(case.weights, 'embedding.')
    names = dict(codebook='weight', counts='cluster_size', sums='embed_avg')
    module.load_state_dict({k: weights[v] for k, v in names.items()} | (state or {}))
    return module


@cases('02b_')
def test_parity_with_the_original(path):
    case = golden.Case(path)
    module = of_case(case)
    steps = case.config['steps']
    for step in range(steps):
        expected = golden.under(case.outputs, f'step{step}/')
        latent = case.inputs['z'][step].requires_grad_()
        result = module(latent)
        (loss,) = result.losses.values()
        (gradient,) = torch.autograd.grad(loss, latent)
        assert torch.equal(result.tokens.flatten(), expected['indices'])
        golden.close_values(loss, expected['loss'])
        golden.close_values(result.latent, expected['zq'])
        golden.close_gradients(gradient, expected['grad_z_of_loss'])
        golden.close_values(module.codebook.detach(), expected['weight_after'])
        golden.close_values(module.counts, expected['cluster_size_after'])
        golden.close_values(module.sums, expected['embed_avg_after'])
    expected = golden.under(case.outputs, 'eval/')
    result = module.eval()(case.inputs['z'][steps])
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(result.losses['commitment_loss'], expected['loss'])
    golden.close_values(result.latent, expected['zq'])


@cases('02b_')
def test_where_the_original_explodes_from_empty_statistics_unlucky_codes_stay(path):
    case = golden.Case(path)
    codes, n = case.weights['embedding.weight'], case.config['n']
    module = of_case(case, dict(counts=torch.zeros(n), sums=codes))
    tokens = module(case.inputs['z'][0]).tokens
    lucky = tokens.flatten().bincount(minlength=n) > 0
    expected = golden.under(case.outputs, 'fresh_zero_counts/')
    golden.close_values(
        module.codebook[lucky].detach(), expected['weight_after'][lucky]
    )
    golden.close_values(module.counts, expected['cluster_size_after'])
    golden.close_values(module.sums[lucky], expected['embed_avg_after'][lucky])
    assert torch.equal(module.codebook[~lucky], codes[~lucky])
    assert expected['weight_after'][~lucky].abs().max() > 1e4
