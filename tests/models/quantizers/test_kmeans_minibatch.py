"""Mini-batch k-means: against scikit-learn, on the sphere, from seeded starts."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn import functional

from vq.models import KMeansQuantizer
from vq.models.quantizers.kmeans import kmeans


def module(**changes: Any) -> KMeansQuantizer:
    """Return a quantizer of 12 codes in float64."""
    return KMeansQuantizer(**dict(codebook_size=12, dim=5) | changes).double().train()


def draw(seed: int, number: int = 4) -> Tensor:
    """Return a latent (number, 5, 3, 4)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 5, 3, 4, generator=generator, dtype=torch.float64)


def rows(latent: Tensor) -> Tensor:
    return rearrange(latent, 'b d h w -> (b h w) d')


def test_passes_equal_those_of_scikit_learn() -> None:
    quantizer = module(start='random', reassign=0.0)
    start, _ = kmeans(rows(draw(0)), 12, rounds=0)
    peer = MiniBatchKMeans(12, init=start.numpy(), n_init=1, reassignment_ratio=0)
    for seed in range(8):
        quantizer(draw(seed))
        peer.partial_fit(rows(draw(seed)).numpy())
    codes = quantizer.codebook.detach().numpy()
    np.testing.assert_allclose(codes, peer.cluster_centers_, rtol=0, atol=1e-12)
    assert quantizer.counts.tolist() == peer._counts.tolist()


def test_on_the_sphere_codes_are_means_of_unit_latents() -> None:
    quantizer = module(distance='cosine', reassign=0.0)
    chosen: list[list[Tensor]] = [[] for _ in range(12)]
    for seed in range(4):
        latent = draw(seed)
        units = functional.normalize(rows(latent), dim=-1)
        before = quantizer.codebook.detach().clone()
        if seed == 0:
            before, _ = kmeans(units, 12, rounds=0, start='kmeans++')
        tokens = (units @ functional.normalize(before, dim=-1).T).argmax(1)
        found = quantizer(latent)
        assert torch.equal(rows(found.tokens[:, None])[:, 0], tokens)
        codes = functional.normalize(before, dim=-1)[tokens]
        torch.testing.assert_close(rows(found.latent), codes)
        for token, unit in zip(tokens.tolist(), units, strict=True):
            chosen[token].append(unit)
    means = torch.stack([torch.stack(units).mean(0) for units in chosen])
    torch.testing.assert_close(quantizer.codebook.detach(), means)


@pytest.mark.parametrize('start', ['random', 'kmeans++'])
@pytest.mark.parametrize('seed', [0, 1])
def test_it_begins_with_drawn_latents(start: Any, seed: int) -> None:
    quantizer = module(start=start, seed=seed)
    expected, _ = kmeans(rows(draw(0)), 12, rounds=0, start=start, seed=seed)
    found = quantizer(draw(0))
    nearest = torch.cdist(rows(draw(0)), expected).argmin(1)
    assert torch.equal(rows(found.latent), expected[nearest])
    assert found.tokens.unique().tolist() == list(range(12))


def test_a_new_code_has_no_past_and_an_unchosen_one_stays() -> None:
    quantizer = module(reassign=0.0)
    for seed in range(3):
        quantizer(draw(seed))
    near, far = torch.full((5,), 20.0), torch.full((5,), -1000.0)
    quantizer.replace_codes(torch.tensor([3, 7]), torch.stack([near, far]).double())
    latent = 20 + draw(5, 2) / 100
    quantizer(latent)
    torch.testing.assert_close(quantizer.codebook[3].detach(), rows(latent).mean(0))
    assert quantizer.codebook[7].tolist() == far.tolist()
    assert quantizer.counts[[3, 7]].tolist() == [24, 0]


def test_codes_that_were_chosen_the_least_move_to_latents() -> None:
    quantizer = module(reassign=0.3)
    latent, far = draw(0), torch.full((2, 5), 1000.0).double()
    quantizer(latent)  # 48 latents: after 120 there is a look
    quantizer.replace_codes(torch.tensor([2, 9]), far)
    quantizer(draw(1))
    assert quantizer.waiting == 96 and (quantizer.codebook[[2, 9]] == far).all()
    before = copy.deepcopy(quantizer)
    before.reassign = 0.0
    last = draw(2)
    quantizer(last)
    before(last)
    few = before.counts < 0.3 * before.counts.double().mean()
    assert few[[2, 9]].all() and 2 <= few.sum() < 12
    assert torch.equal(quantizer.codebook[~few], before.codebook[~few])
    assert torch.equal(quantizer.counts[~few], before.counts[~few])
    moved = quantizer.codebook[few].detach()
    same = (moved[:, None] == rows(last)).all(-1)
    assert same.sum(1).tolist() == [1] * len(moved)
    assert len(moved.unique(dim=0)) == len(moved)
    assert (quantizer.counts[few] == before.counts[~few].min()).all()
    assert quantizer.waiting == 0


def test_it_has_no_losses_and_its_codebook_no_gradient() -> None:
    quantizer = module()
    latent = draw(0).requires_grad_()
    found = quantizer(latent)
    found.latent.sum().backward()
    assert torch.equal(latent.grad, torch.ones_like(latent))  # straight through
    assert found.losses == {} and quantizer.codebook.grad is None


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(distance='inner'), 'distance'),
        (dict(start='first'), 'start'),
        (dict(reassign=1.0), 'reassign'),
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f'{message} must be'):
        module(**wrong)
