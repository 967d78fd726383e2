"""The sampler is what drawing each token from the whole row before it gives."""

import pytest
import torch

from tests.models.transformers.nets import BODIES, LENGTH, drawn, network, numbers
from vq.models.transformers import UNKNOWN, Sampling, Steps, sample, unconditional
from vq.models.transformers.guidance import draw

GUIDED = Sampling(cfg=3.0, top_k=6)
GREEDY = Sampling(temperature=0)


@torch.no_grad()
def plainly(net, condition, uniform, sampling, known=None):
    """Draw without a cache: all rows anew for each token, halves one by one."""
    batch, (length, subtokens) = len(condition), uniform.shape[1:]
    rows = torch.zeros(batch, length, subtokens, dtype=torch.long)
    null = unconditional(net, batch)
    for i in range(length):
        for j in range(subtokens):
            own = net(rows, condition)[j][:, i]
            none = net(rows, null)[j][:, i]
            mixed = none + (own - none) * sampling.scales(length)[i]
            rows[:, i, j] = draw(mixed, uniform[:, i, j], sampling)
            if known is not None:
                keep = known[:, i, j] >= 0
                rows[keep, i, j] = known[keep, i, j]
    return rows


@pytest.mark.parametrize('kind', BODIES)
@pytest.mark.parametrize('static', [False, True])
def test_a_cache_changes_nothing(kind, static):
    net = network(kind)
    condition, uniform = net.condition(torch.arange(3)), numbers(0, 3)
    for sampling in (GREEDY, GUIDED, Sampling(cfg=2.0, cfg_tokens=5, top_p=0.8)):
        expected = plainly(net, condition, uniform, sampling)
        steps = Steps(net, static=static)
        options = dict(uniform=uniform, sampling=sampling, steps=steps)
        assert torch.equal(sample(net, condition, **options), expected)
    assert len(expected.unique()) > 4


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('kind', BODIES)
@torch.no_grad()
def test_a_prefix_at_once_is_token_by_token(kind, static):
    net = network(kind).body
    hidden = torch.randn(2, LENGTH, 16)
    whole = net(hidden)
    for prefix in (1, 5, LENGTH):
        cache = net.cache(2, dtype=torch.float32, static=static)
        cache.advance(0, prefix)
        found = [net(hidden[:, :prefix], cache)]
        for i in range(prefix, LENGTH):
            cache.advance(i, 1)
            found.append(net(hidden[:, i : i + 1], cache))
        torch.testing.assert_close(torch.cat(found, 1), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize('sizes', [(9,), (4, 3)])
def test_known_tokens_are_kept_wherever_they_are(sizes):
    net = network(sizes=sizes)
    condition, uniform = net.condition(torch.arange(3)), numbers(0, 3, len(sizes))
    known = torch.full((3, LENGTH, len(sizes)), UNKNOWN)
    known[:, :4] = 2  # a prefix of all, taken in one pass
    known[0, 6] = 1  # an edit of one
    known[1, 8, 0] = 0
    found = sample(net, condition, uniform=uniform, sampling=GUIDED, known=known)
    assert torch.equal(found, plainly(net, condition, uniform, GUIDED, known))
    assert torch.equal(found[known >= 0], known[known >= 0])
    assert (known[0, 6] == 1).all() and (found >= 0).all()
    assert torch.equal(
        sample(net, condition, uniform=uniform, sampling=GUIDED, known=found), found
    )


@pytest.mark.parametrize('sampling', [GUIDED, Sampling(cfg=2.0, cfg_tokens=5), GREEDY])
def test_a_sample_does_not_depend_on_its_batch(sampling):
    net = network()
    together = drawn(net, 8, sampling=sampling)
    category = torch.arange(8) % 3
    for batch in (1, 3):
        for first in range(0, 8, batch):
            part = slice(first, min(8, first + batch))
            alone = sample(
                net,
                net.condition(category[part]),
                uniform=numbers(0, 8)[part],
                sampling=sampling,
            )
            assert torch.equal(alone, together[part])
    # In another order, each with its own numbers.
    flipped = sample(
        net,
        net.condition(category.flip(0)),
        uniform=numbers(0, 8).flip(0),
        sampling=sampling,
    )
    assert torch.equal(flipped.flip(0), together)


def test_guidance_of_one_is_none():
    net = network()
    plain = drawn(net, sampling=Sampling())
    assert torch.equal(drawn(net, sampling=Sampling(cfg=1.0)), plain)
    assert torch.equal(drawn(net, sampling=Sampling(cfg=5.0, cfg_tokens=0)), plain)
    assert not torch.equal(drawn(net, sampling=Sampling(cfg=5.0)), plain)
    # Guided by a scale that is all but one, both halves run, and nothing else changes.
    near = drawn(net, sampling=Sampling(cfg=1.0 + 1e-9))
    assert torch.equal(near, plain)


def test_dropping_the_null_half_is_keeping_it():
    class Keeps(Steps):
        """Caches that never lose a half."""

        def cache(self, batch, dtype):
            cache = super().cache(batch, dtype)
            cache.first = lambda batch: cache
            return cache

    net = network()
    sampling = Sampling(cfg=4.0, cfg_tokens=5)
    kept = drawn(net, sampling=sampling, steps=Keeps(net))
    assert torch.equal(drawn(net, sampling=sampling), kept)


def test_temperature_zero_is_the_likeliest():
    net = network()
    likeliest = drawn(net, sampling=GREEDY)
    assert torch.equal(drawn(net, sampling=Sampling(top_k=1)), likeliest)
    assert torch.equal(drawn(net, sampling=Sampling(top_p=1e-9)), likeliest)
    logits = net(likeliest, torch.arange(5) % 3)[0]
    assert torch.equal(logits.argmax(-1), likeliest[..., 0])


def test_without_categories_all_are_none():
    net = network(classes=0)
    uniform = numbers(0, 2)
    expected = plainly(net, unconditional(net, 2), uniform, GUIDED)
    options = dict(uniform=uniform, sampling=GUIDED)
    assert torch.equal(sample(net, unconditional(net, 2), **options), expected)
    assert net.null == 0 and len(net.embedding.weight) == 10


def test_half_precision_draws_under_autocast():
    net = network()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = drawn(net, sampling=GREEDY)
        told = net(found, torch.arange(5) % 3)[0]
    # Where bf16 leaves no doubt the likeliest was taken.
    best, second = told.topk(2).values.unbind(-1)
    clear = best - second > 0.2
    assert clear.sum() > 20
    assert torch.equal(told.argmax(-1)[clear], found[..., 0][clear])
