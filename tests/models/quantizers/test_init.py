"""How a VectorQuantizer's codebook begins."""

import copy
import logging

import pytest
import torch
from einops import rearrange, reduce
from torch.nn import functional

from tests.ranks import run_ranks
from vq import distributed
from vq.models import VectorQuantizer
from vq.models.quantizers.base import to_rows
from vq.models.quantizers.kmeans import kmeans


def quantizer(**changes):
    options = dict(codebook_size=8, dim=4, init='kmeans')
    return VectorQuantizer(**options | changes)


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(distance='inner'),
        dict(distance='cosine'),
        dict(normalize=True),
    ],
    ids=str,
)
def test_codebook_begins_with_the_centres_of_the_first_training_batch(options):
    module = quantizer(**options)
    latent = torch.randn(2, 4, 5, 5)
    result = module(latent)
    distance = 'cosine' if module.distance == 'cosine' else 'l2'
    rows = to_rows(latent)
    centres, _ = kmeans(rows, 8, distance=distance)
    torch.testing.assert_close(module.codebook.detach(), centres)
    if distance == 'cosine':
        rows, centres = (functional.normalize(x, dim=1) for x in (rows, centres))
    scores = -torch.cdist(rows, centres)
    if module.distance == 'inner':
        scores = rows @ centres.T
    assert torch.equal(result.tokens.flatten(), scores.argmax(1))  # of this very pass
    before = module.codebook.detach().clone()
    module(torch.randn(2, 4, 5, 5))
    assert torch.equal(module.codebook, before)


def test_a_centre_is_the_mean_of_its_latents():
    means = 10 * torch.eye(4)
    rows = rearrange(means.expand(15, 4, 4), 'n k d -> (n k) d')
    rows = rows + 0.1 * torch.randn(60, 4)
    centres, counts = kmeans(rows, 4, start=torch.arange(4))
    expected = reduce(rows, '(n k) d -> k d', 'mean', k=4)
    torch.testing.assert_close(centres, expected)
    assert counts.tolist() == [15, 15, 15, 15]


def test_it_does_not_begin_in_evaluation_when_frozen_or_without_gradients():
    module = quantizer()
    before = copy.deepcopy(module.state_dict())
    latent = torch.randn(2, 4, 5, 5)
    module.eval()(latent)
    with torch.no_grad():
        module.train()(latent)
    module.requires_grad_(False)(latent)
    module.latent_to_tokens(latent)
    after = module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    module.requires_grad_(True)(latent)
    assert module.initialized


def test_a_loaded_codebook_is_not_begun_anew():
    module, other = quantizer(), quantizer()
    module(torch.randn(2, 4, 5, 5))
    other.load_state_dict(module.state_dict())
    other(torch.randn(2, 4, 5, 5))
    assert torch.equal(other.codebook, module.codebook)
    # And the other way round: one from before the first batch begins.
    other.load_state_dict(quantizer().state_dict())
    latent = torch.randn(2, 4, 5, 5)
    other(latent)
    assert torch.equal(other.codebook, kmeans(to_rows(latent), 8)[0])


def test_the_device_is_asked_only_before_the_codebook_has_begun(monkeypatch):
    module = quantizer()
    module(torch.randn(2, 4, 5, 5))
    monkeypatch.setattr(module, '_begin', None)
    module(torch.randn(2, 4, 5, 5))


def test_too_few_latents_warn_and_leave_the_other_codes_random(caplog):
    module = quantizer(codebook_size=32)
    before = module.codebook.detach().clone()
    latent = torch.randn(1, 4, 2, 5)
    with caplog.at_level(logging.WARNING):
        module(latent)
    assert 'the first batch has 10 latents for 32 codes' in caplog.text
    centres = module.codebook[:10]
    assert sorted(centres.tolist()) == sorted(to_rows(latent).tolist())
    assert torch.equal(module.codebook[10:], before[10:])


def test_latents_that_are_not_finite_have_no_say():
    module, clean = quantizer(), quantizer()
    latent = torch.randn(1, 4, 6, 6)
    clean(latent[..., 1:, :])
    latent[..., 0, 0] = float('nan')
    latent[..., 0, 1:] = float('inf')
    module(latent)
    assert torch.equal(module.codebook, clean.codebook)


def test_a_batch_without_a_finite_latent_is_not_the_first():
    module = quantizer()
    module(torch.full((1, 4, 6, 6), float('nan')))
    assert module.codebook.isfinite().all() and not module.initialized
    latent = torch.randn(1, 4, 6, 6)
    module(latent)
    assert torch.equal(module.codebook, kmeans(to_rows(latent), 8)[0])


def begun(batch):
    torch.manual_seed(0)
    module = quantizer(distance='cosine')
    module(batch.chunk(distributed.world_size())[distributed.rank()])
    return module.codebook.tolist()


def test_two_ranks_begin_like_one_with_both_batches():
    batch = torch.randn(4, 4, 5, 5)
    one = begun(batch)
    assert run_ranks(begun, 2, batch) == [one, one]


def test_without_k_means_there_is_no_flag():
    assert set(VectorQuantizer(codebook_size=8, dim=4).state_dict()) == {'codebook'}


@pytest.mark.parametrize('init', ['normal', 'kmeans'])
def test_other_codebooks_begin_with_normal_values(init):
    module = VectorQuantizer(codebook_size=500, dim=20, init=init)
    codebook = module.codebook.detach()
    assert abs(codebook.mean()) < 0.05 and abs(codebook.std() - 1) < 0.05


def test_unknown_init():
    with pytest.raises(ValueError, match="'zeros'"):
        quantizer(init='zeros')
