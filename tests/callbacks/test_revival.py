"""Codes that nobody chooses are replaced, alike on all ranks and after a resume."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.callbacks.quantized import BATCH, LENGTH, adam, latent, runner, share, vector
from tests.callbacks.quantized import step as plain_step
from tests.models.quantizers.families import FAMILIES
from tests.ranks import run_ranks
from tests.runs import tiny_trainer
from vq.callbacks import RevivalCallback
from vq.callbacks.codebook_leaf import leaves
from vq.callbacks.codebook_watch import CodebookWatch
from vq.models.quantizers import VectorQuantizer
from vq.models.quantizers.revival import random_rows
from vq.registry import MODELS


def step(run: Any, callback: Any, *latents: Tensor) -> float | None:
    """Make an iteration; return how many codes were revived, if that is logged."""
    value = plain_step(run, callback, *latents).get('codebook/revived')
    return None if value is None else float(value)


def rows(joint: Tensor) -> Tensor:
    return rearrange(joint, 'b d h w -> (b h w) d')


def few(seed: int) -> Tensor:
    """Return latents near three places only, (4, 3, 2, 2)."""
    places = torch.eye(3)[torch.arange(16) % 3] * 5
    near = places + 0.1 * rows(latent(seed))
    return rearrange(near, '(b h w) d -> b d h w', b=BATCH, h=2)


def quantizer(**changes: Any) -> Any:
    """Return one whose codes 0 to 2 are chosen by `few`, and the others by nothing."""
    built = MODELS.build(vector(**changes))
    with torch.no_grad():
        built.codebook.copy_(torch.arange(16)[:, None].expand(-1, 3) * 100.0 + 1000)
        built.codebook[:3] = torch.eye(3) * 5
    return built


def nearest(joint: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return each latent's squared distance from its code, and the code, by hand."""
    distances = torch.cdist(rows(joint).double(), codes.double()).square()
    found = distances.min(-1)
    return found.values, found.indices


def test_random_latents_take_the_places_of_old_codes() -> None:
    run, callback = runner(quantizer()), RevivalCallback(interval=3, max_age=0.0)
    callback.before_run(run)
    before = run.model.quantizer.codebook.detach().clone()
    assert [step(run, callback, few(s)) for s in range(3)] == [None, None, 13.0]
    codes = run.model.quantizer.codebook.detach()
    drawn = random_rows(16, 13, seed=3 * 2**16)
    expected = rows(few(2))[drawn]
    torch.testing.assert_close(codes[3:], expected, rtol=0, atol=0)
    assert torch.equal(codes[:3], before[:3])
    assert len(codes[3:].unique(dim=0)) == 13


def test_the_worst_quantized_latents_come_first() -> None:
    run = runner(quantizer())
    callback = RevivalCallback(policy='worst', interval=1, max_age=0, max_share=0.25)
    callback.before_run(run)
    before = run.model.quantizer.codebook.detach().clone()
    assert step(run, callback, few(0)) == 4.0
    errors, _ = nearest(few(0), before)
    worst = errors.argsort(descending=True)[:4]
    codes = run.model.quantizer.codebook.detach()
    assert torch.equal(codes[3:7], rows(few(0))[worst])
    assert torch.equal(codes[7:], before[7:])


def test_the_most_used_codes_are_split() -> None:
    built = quantizer()
    run, callback = runner(built), RevivalCallback(policy='split', interval=2)
    callback.before_run(run)
    before = built.codebook.detach().clone()
    used = [nearest(few(s), before)[1] for s in range(2)]
    counts = torch.bincount(torch.cat(used), minlength=16)
    run.optimizers = adam(built.codebook)
    assert [step(run, callback, few(s)) for s in range(2)] == [None, 3.0]
    codes = built.codebook.detach()
    parents = counts.argsort(descending=True, stable=True)[:3]
    torch.testing.assert_close((codes[3:6] + codes[parents]) / 2, before[parents])
    lengths = (codes[3:6] - codes[parents]).norm(dim=1)
    torch.testing.assert_close(lengths, 0.02 * before[parents].norm(dim=1))
    assert torch.equal(codes[6:], before[6:])
    (state,) = run.optimizers['generator'].optimizer.state.values()
    assert (state['exp_avg'][:6] == 0).all()
    assert (state['exp_avg'][6:] != 0).all()


def test_what_a_family_knows_of_a_split_pair_is_shared() -> None:
    built = MODELS.build(dict(type='EMAQuantizer', codebook_size=16, dim=3))
    with torch.no_grad():
        tokens = torch.arange(3, 16)
        built.replace_codes(tokens, torch.full((13, 3), 1e3))
        built.replace_codes(torch.arange(3), torch.eye(3) * 5)
    run, callback = runner(built), RevivalCallback(policy='split', interval=2)
    callback.before_run(run)
    for seed in range(2):
        step(run, callback, few(seed))
    assert torch.equal(built.counts[:3], built.counts[3:6])
    means = built.sums[:6] / built.counts[:6, None]
    torch.testing.assert_close(means, built.codebook[:6].detach())


@pytest.mark.parametrize(
    ('interval', 'max_age'), [(2, 0.35), (2, 0.1), (6, 0.1), (1, 0.3)]
)
def test_a_code_dies_at_its_age_in_passes_but_lives_an_interval(
    interval: int, max_age: float
) -> None:
    run = runner(quantizer())
    callback = RevivalCallback(interval=interval, max_age=max_age)
    callback.before_run(run)
    found = [step(run, callback, few(seed)) for seed in range(6)]
    # The first iteration that ends an interval and by which the codes are old enough.
    died = next(
        iteration
        for iteration in range(1, 7)
        if iteration % interval == 0 and iteration * BATCH / LENGTH >= max_age
    )
    expected = [
        None if i % interval else 13.0 * (i == died) for i in range(1, died + 1)
    ]
    assert found[:died] == expected


def test_nothing_is_revived_before_the_beginning() -> None:
    run = runner(quantizer())
    callback = RevivalCallback(interval=2, max_age=0, begin=4)
    callback.before_run(run)
    found = [step(run, callback, few(seed)) for seed in range(4)]
    assert found == [None, None, None, 13.0]


def test_too_few_latents_replace_the_oldest_codes() -> None:
    run, callback = runner(quantizer()), RevivalCallback(interval=1, max_age=0)
    callback.before_run(run)
    before = run.model.quantizer.codebook.detach().clone()
    two = few(0)[:1, :, :1]
    assert step(run, callback, two) == 2.0
    codes = run.model.quantizer.codebook.detach()
    unused = [token for token in range(16) if token not in nearest(two, before)[1]]
    changed = (codes != before).any(1).nonzero().flatten().tolist()
    assert changed == unused[:2]


def test_latents_that_are_not_finite_replace_nothing() -> None:
    run, callback = runner(quantizer()), RevivalCallback(interval=1, max_age=0)
    callback.before_run(run)
    bad = few(0)
    bad[1:] = torch.inf
    assert step(run, callback, bad) == 4.0
    assert run.model.quantizer.codebook.isfinite().all()


def test_each_codebook_of_a_residual_quantizer_is_revived() -> None:
    part = vector()
    cfg = dict(type='ResidualQuantizer', quantizer=part, depth=2, shared=False)
    run, callback = runner(cfg), RevivalCallback(interval=2, max_age=0)
    callback.before_run(run)
    plain_step(run, callback, latent(0))
    tokens = [run.model.quantizer.latent_to_tokens(latent(s)) for s in range(2)]
    unused = [16 - len(torch.stack(tokens)[..., g].unique()) for g in range(2)]
    logs = plain_step(run, callback, latent(1))
    assert [float(logs[f'codebook_{g}/revived']) for g in range(2)] == unused
    assert float(logs['codebook/revived']) == sum(unused)


WITH_A_TABLE = [
    name
    for name, family in FAMILIES.items()
    if all(
        isinstance(leaf, VectorQuantizer)
        for leaf in leaves(MODELS.build(family.config)).values()
    )
]


@pytest.mark.parametrize('policy', ['random', 'worst'])
@pytest.mark.parametrize('name', WITH_A_TABLE)
def test_every_family_with_a_table_is_revived(name: str, policy: Any) -> None:
    family = FAMILIES[name]
    run = runner(family.config)
    family.setup(run.model.quantizer)
    parts = leaves(run.model).values()
    callback = RevivalCallback(policy=policy, interval=1, max_age=0)
    callback.before_run(run)
    watch = CodebookWatch()
    watch.open(run.model, batch_size=BATCH, device=torch.device('cpu'))
    old = [part.codes().detach().clone() for part in parts]
    joint = latent(0, run.model.quantizer.in_dim).abs()
    revived = step(run, callback, joint)
    unused = [w.counts[:-1] == 0 for w in watch.end_window(1)]
    latents = joint[:, 0].numel()  # no more can be revived at once
    expected = [min(latents, int(each.sum())) for each in unused]
    assert revived == sum(expected) > 0
    for part, before, places, number in zip(parts, old, unused, expected, strict=True):
        codes = part.codes().detach()
        assert codes.isfinite().all()
        assert (codes != before).any(1)[places].sum() >= number


def codebook(policy: Any, *, resumed: bool = False) -> tuple[Any, list[float | None]]:
    run = runner(quantizer())
    callback = RevivalCallback(policy=policy, interval=2, max_age=0.2)
    callback.before_run(run)
    found = []
    for number in range(8):
        if resumed and number in (3, 6):
            callback.after_run(run)
            state = copy.deepcopy(callback.state_dict())
            callback = RevivalCallback(policy=policy, interval=2, max_age=0.2)
            callback.load_state_dict(state)
            callback.before_run(run)
        found.append(step(run, callback, share(few(number))))
    return run.model.quantizer.codebook.detach().numpy(), found


POLICIES = ['random', 'worst', 'split']


@pytest.mark.parametrize('policy', POLICIES)
def test_a_resumed_run_revives_alike(policy: str) -> None:
    one, found = codebook(policy)
    other, again = codebook(policy, resumed=True)
    assert sum(filter(None, found)) > 0
    assert found == again
    assert (one == other).all()


def shared(policy: Any) -> tuple[Any, list[float | None]]:
    """Return the codebook of two depths, whose passes come one after the other."""
    cfg = dict(type='ResidualQuantizer', quantizer=vector(), depth=2, shared=True)
    run, callback = runner(cfg), RevivalCallback(policy=policy, interval=2, max_age=0)
    run.accumulate = 2
    callback.before_run(run)
    (part,) = run.model.quantizer.quantizers
    part.load_state_dict(quantizer().state_dict())
    found = [step(run, callback, *share(few(s)).chunk(2)) for s in range(4)]
    return part.codebook.detach().numpy(), found


def codebooks() -> list[Any]:
    kinds = (codebook, shared)
    return [kind(policy) for kind in kinds for policy in POLICIES]


def test_two_ranks_revive_as_one_does() -> None:
    expected = codebooks()
    for of_rank in run_ranks(codebooks, 2):
        for (one, found), (other, again) in zip(expected, of_rank, strict=True):
            assert found == again
            assert (one == other).all()


WORDS = [
    ".trainer.callbacks[1]:dict(type='RevivalCallback',interval=2,max_age=0.3)",
    '.trainer.callbacks[-1].interval:5',
]


def test_a_killed_training_ends_like_one_that_was_not(tmp_path: Path) -> None:
    whole = tiny_trainer(tmp_path / 'whole', *WORDS)
    whole.run()
    killed = tiny_trainer(tmp_path / 'killed', *WORDS)
    killed.iters = 7  # and what it did after the checkpoint at 5 is lost
    killed.run()
    resumed = tiny_trainer(tmp_path / 'killed', *WORDS)
    resumed.resume(killed.checkpoints_root / 'iter_5')
    resumed.run()
    expected = whole.model.state_dict()
    for key, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[key]), key
    plain = tiny_trainer(tmp_path / 'plain')
    plain.run()
    key = 'tokenizer.quantizer.codebook'
    assert not torch.equal(plain.model.state_dict()[key], expected[key])


def test_a_quantizer_without_a_table_is_told_at_once() -> None:
    run = runner(dict(type='GumbelQuantizer', codebook_size=8, dim=5, in_dim=3))
    with pytest.raises(ValueError, match=r'GumbelQuantizer.*revival=None'):
        RevivalCallback().before_run(run)
    with pytest.raises(ValueError, match='no quantizer'):
        RevivalCallback().before_run(runner(torch.nn.Linear(1, 1)))


@pytest.mark.parametrize(
    'wrong',
    [dict(policy='hope'), dict(interval=0), dict(max_age=-1), dict(max_share=0)],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RevivalCallback(**wrong)
