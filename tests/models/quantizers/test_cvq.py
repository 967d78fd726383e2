"""CVQuantizer: formulas, the pool, Cluster, anchors on several ranks."""

import pytest
import torch
from torch.nn import functional

from tests.models.quantizers.test_anchors import contrast
from tests.ranks import run_ranks
from vq import distributed
from vq.models import CVQuantizer
from vq.models.quantizers.anchors import ANCHORS
from vq.models.quantizers.base import to_latent, to_rows


def quantizer(**changes):
    options = dict(codebook_size=8, dim=4, init='normal')
    return CVQuantizer(**options | changes)


def moved(codes, target, probability, decay):
    """Return where eq. 3 and 4 of the paper take codes."""
    rate = 10 * len(codes) / (1 - decay)
    alpha = torch.exp(-probability * rate - 1e-3)[:, None]
    return (1 - alpha) * codes + alpha * target


@pytest.mark.parametrize('distance', ['l2', 'cosine'])
def test_unused_codes_move_to_their_nearest_latents(distance):
    module = quantizer(distance=distance, decay=0.9)
    probability = torch.zeros(8)
    for _ in range(4):
        latent, before = torch.randn(1, 4, 3, 4), module.codebook.detach().clone()
        result, rows = module(latent), to_rows(latent)
        shares = result.tokens.flatten().bincount(minlength=8) / len(rows)
        probability = 0.9 * probability + 0.1 * shares
        if distance == 'l2':
            nearest = torch.cdist(before, rows).argmin(1)
        else:
            units = [functional.normalize(x, dim=1) for x in (before, rows)]
            nearest = (units[0] @ units[1].T).argmax(1)
        expected = moved(before, rows[nearest], probability, 0.9)
        torch.testing.assert_close(module.codebook.detach(), expected)
        torch.testing.assert_close(module.probability, probability)
        # What comes back is of the codes from before the pass.
        assert torch.equal(to_rows(result.latent), before[result.tokens.flatten()])


def test_only_unused_codes_move():
    module = quantizer(dim=2, codebook_size=2, distance='l2')
    module.replace_codes(torch.arange(2), torch.tensor([[0.0, 0.0], [50.0, 0.0]]))
    module.probability.zero_()
    before = module.codebook.detach().clone()
    latent = torch.randn(1, 2, 4, 4)
    module(latent)
    torch.testing.assert_close(module.codebook[0].detach(), before[0])
    distance = torch.cdist(module.codebook[1:].detach(), to_rows(latent)).amin()
    assert distance < 0.1


def test_cluster_moves_without_gradients_of_an_encoder():
    """Cluster: online k-means of a frozen encoder's latents, dead clusters revived."""
    module = CVQuantizer(codebook_size=16, dim=4, commitment_weight=0.0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    latents = functional.normalize(torch.randn(16, 4, 8, 8), dim=1) + 0.5
    used, error = [], []
    for _ in range(100):
        result = module(latents)
        assert set(result.losses) == {'codebook_loss'}
        optimizer.zero_grad()
        result.losses['codebook_loss'].backward()
        optimizer.step()
        used.append(len(result.tokens.unique()))
        error.append(result.losses['codebook_loss'].item())
    assert used[-1] == 16 and error[-1] < 0.5 * error[0]


@pytest.mark.parametrize('distance', ['l2', 'cosine'])
def test_contrastive_loss_and_its_gradient_equal_the_formula(distance):
    module = quantizer(distance=distance, contrastive_weight=0.3)
    before = module.codebook.detach().clone().requires_grad_()
    latent = torch.randn(2, 4, 4, 4, requires_grad=True)
    loss = module(latent).losses['contrastive_loss']
    expected = 0.3 * contrast(before, to_rows(latent.detach()), distance)
    torch.testing.assert_close(loss, expected)
    of_latent, of_codes = torch.autograd.grad(
        loss, (latent, module.codebook), allow_unused=True
    )
    assert of_latent is None and not torch.equal(module.codebook, before)
    torch.testing.assert_close(of_codes, *torch.autograd.grad(expected, before))
    assert 'contrastive_loss' not in module.eval()(latent).losses


def test_a_replaced_code_stays_for_a_while():
    module = quantizer()
    for _ in range(20):
        module(torch.randn(2, 4, 4, 4))
    far = torch.full((1, 4), 30.0)
    module.replace_codes(torch.tensor([3]), far)
    for _ in range(20):
        module(-torch.rand(2, 4, 4, 4))
    torch.testing.assert_close(module.codebook[3:4].detach(), far)


def test_the_first_batch_is_remembered_by_a_resumed_run():
    module = quantizer(first_batch_only=True)
    module(torch.randn(1, 4, 4, 4))
    other = quantizer(first_batch_only=True)
    other.load_state_dict(module.state_dict())
    latent = torch.randn(1, 4, 4, 4)
    module(latent)
    other(latent)
    for key, value in module.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    other.load_state_dict(quantizer(first_batch_only=True).state_dict())
    before = other.codebook.detach().clone()
    other(latent)
    assert not torch.equal(other.codebook, before)


def test_a_pool_fills_and_then_changes_in_part():
    module = quantizer(anchor='random')
    rows = torch.randn(4, 3, 4)
    seen = torch.cat([module.pool[:0], *rows[:3]])
    for batch in rows[:3]:
        module(to_latent(batch, torch.empty(1, 4, 3, 1)))
    # The ninth latent took the place of the first one.
    expected = torch.cat([seen[8:], seen[1:8]])
    assert torch.equal(module.pool, expected)
    module(to_latent(rows[3], torch.empty(1, 4, 3, 1)))
    assert (module.pool != expected).any(1).sum() == 3
    module(torch.randn(1, 4, 5, 5))
    assert (module.pool != expected).any(1).all() and module.pooled == 8


def trained(anchor, sync, batch):
    torch.manual_seed(0)
    module = quantizer(sync=sync, anchor=anchor, codebook_size=12)
    torch.manual_seed(distributed.rank())  # what a rank draws is its own
    for _ in range(2):
        before = module.codebook.tolist()
        module(batch.chunk(2)[distributed.rank()])
    return before, module.codebook.tolist(), module.probability.tolist()


def both(batch):
    return [trained(a, sync, batch) for sync in (False, True) for a in ANCHORS]


def test_without_sync_the_anchor_is_a_mean_over_ranks_and_codebooks_agree():
    batch = torch.randn(4, 4, 3, 3)
    one, other = run_ranks(both, 2, batch)
    assert one == other
    before, after, probability = map(torch.tensor, one[0])  # the nearest
    units = functional.normalize(before, dim=1)
    near = []
    for part in batch.chunk(2):
        rows = to_rows(part)
        near.append(rows[(units @ functional.normalize(rows, dim=1).T).argmax(1)])
    expected = moved(before, (near[0] + near[1]) / 2, probability, 0.99)
    torch.testing.assert_close(after, expected)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('anchor', 'far'), ('decay', 1.0), ('contrastive_temperature', 0.0)],
)
def test_wrong_options(option, value):
    with pytest.raises(ValueError, match=f"{option} must be .* got '?{value}"):
        quantizer(**{option: value})
