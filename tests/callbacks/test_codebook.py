"""The guard counts what training uses of each codebook, and acts on a collapse."""

import copy
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn

from tests.callbacks.quantized import (
    BATCH,
    LENGTH,
    adam,
    latent,
    runner,
    share,
    step,
    values,
    vector,
)
from tests.models.quantizers.families import FAMILIES
from tests.ranks import run_ranks
from tests.runs import tiny_trainer
from vq import checkpoints, distributed
from vq.callbacks import CodebookCallback
from vq.callbacks.codebook import CollapseError
from vq.callbacks.codebook_watch import CodebookWatch
from vq.datasets.decoding import read_image
from vq.models.quantizers import Quantizer, VectorQuantizer
from vq.models.quantizers.kmeans import kmeans
from vq.registry import MODELS
from vq.types import Quantized


@MODELS.register_module()
class SignQuantizer(Quantizer):
    """Two channels make two sub-tokens: is a number above zero, is it large."""

    def __init__(self) -> None:
        super().__init__(codebook_size=4, dim=2, token_sizes=(2, 2))

    def latent_to_tokens(self, latent: Tensor) -> Tensor:
        return rearrange((latent > 0).long(), 'b g h w -> b h w g')

    def tokens_to_latent(self, tokens: Tensor) -> Tensor:
        return rearrange(tokens * 2.0 - 1, 'b h w g -> b g h w')

    def forward(self, latent: Tensor) -> Quantized:
        tokens = self.latent_to_tokens(latent)
        return Quantized(latent=self.tokens_to_latent(tokens), tokens=tokens)


def rows(joint: Tensor) -> Tensor:
    return rearrange(joint, 'b d h w -> (b h w) d')


def test_a_window_is_that_of_all_its_tokens() -> None:
    run, callback = runner(vector()), CodebookCallback(interval=3, dead_age=0.15)
    callback.before_run(run)
    quantizer = run.model.quantizer
    last, tokens, errors = torch.zeros(16), [], []
    for number in range(6):
        if number == 3:  # a new window begins
            tokens, errors = [], []
        joint = latent(number) * 0.02
        codes = quantizer.codes().detach()
        distances = torch.cdist(rows(joint).double(), codes.double())
        nearest = distances.min(-1)
        tokens.append(nearest.indices)
        errors.append(nearest.values.square())
        last[nearest.indices] = (number + 1) * BATCH
        logs = step(run, callback, joint)
        assert bool(logs) == (number % 3 == 2)
    counts = torch.bincount(torch.cat(tokens), minlength=16).double()
    shares = counts / counts.sum()
    norms = codes.norm(dim=1)
    ages = (6 * BATCH - last) / LENGTH
    expected = dict(
        usage=(counts > 0).double().mean(),
        perplexity=(-(shares * shares.log()).nansum()).exp(),
        quantization_error=torch.cat(errors).mean(),
        norm_spread=norms.std(correction=0) / norms.mean(),
        age=ages.mean(),
        dead=(ages > 0.15).double().mean(),
    )
    assert 0 < expected['dead'] < expected['usage'] < 1
    assert list(logs) == [f'codebook/{key}' for key in expected]
    for key, value in expected.items():
        assert float(logs[f'codebook/{key}']) == pytest.approx(float(value), rel=1e-5)
    callback.after_run(run)
    assert not quantizer._forward_hooks


def test_only_passes_to_learn_from_count() -> None:
    run, callback = runner(vector()), CodebookCallback(interval=1)
    callback.before_run(run)
    expected = step(run, callback, latent(0))
    with torch.no_grad():  # the discriminator's own pass over what it judges
        run.model.quantizer(latent(1))
    run.model.eval()
    run.model.quantizer(latent(2))
    run.model.train()
    again = step(run, callback, latent(0))
    ages = ('codebook/age', 'codebook/dead')
    assert {k: v for k, v in again.items() if k not in ages} == {
        k: v for k, v in expected.items() if k not in ages
    }
    run.model.eval()
    assert step(run, callback, latent(2)) == {}


@pytest.mark.parametrize('shared', [True, False])
def test_each_codebook_of_a_residual_quantizer_is_watched(shared: bool) -> None:
    cfg = dict(type='ResidualQuantizer', quantizer=vector(), depth=3, shared=shared)
    run, callback = runner(cfg), CodebookCallback(interval=1)
    callback.before_run(run)
    tokens = run.model.quantizer.latent_to_tokens(latent(0))
    logs = values(step(run, callback, latent(0)))
    groups = [tokens.flatten()] if shared else [t.flatten() for t in tokens.unbind(-1)]
    usages = [len(group.unique()) / 16 for group in groups]
    assert logs['codebook/usage'] == pytest.approx(sum(usages) / len(usages))
    if shared:
        assert not any(key.startswith('codebook_') for key in logs)
    else:
        found = [logs[f'codebook_{i}/usage'] for i in range(3)]
        assert found == pytest.approx(usages)


def test_each_vocabulary_of_sub_tokens_is_a_codebook() -> None:
    run, callback = runner(dict(type='SignQuantizer')), CodebookCallback(interval=1)
    callback.before_run(run)
    joint = latent(0, dim=2)
    joint[:, 1] = joint[:, 1].abs()
    logs = values(step(run, callback, joint))
    assert (logs['codebook_0/usage'], logs['codebook_1/usage']) == (1.0, 0.5)
    assert logs['codebook/usage'] == 0.75
    assert logs['codebook_1/perplexity'] == pytest.approx(1.0)
    error = (joint - (joint > 0).float() * 2 + 1).square().sum(1).mean()
    assert logs['codebook/quantization_error'] == pytest.approx(float(error))


@pytest.mark.parametrize('name', FAMILIES)
def test_every_token_of_every_family_is_counted(name: str) -> None:
    family = FAMILIES[name]
    run = runner(family.config)
    family.setup(run.model.quantizer)
    outputs: list[Quantized] = []
    run.model.quantizer.register_forward_hook(lambda *args: outputs.append(args[2]))
    watch = CodebookWatch()
    watch.open(run.model, batch_size=BATCH, device=torch.device('cpu'))
    run.model.quantizer(latent(0, run.model.quantizer.in_dim))
    windows = watch.end_window(1)
    assert sum(int(w.counts[:-1].sum()) for w in windows) == outputs[0].tokens.numel()
    assert all((w.ages == BATCH * (w.counts[:-1] == 0)).all() for w in windows)


def test_errors_are_left_out_where_latents_and_codes_differ_in_shape() -> None:
    cfg = dict(type='GumbelQuantizer', codebook_size=8, dim=5, in_dim=3)
    run, callback = runner(cfg), CodebookCallback(interval=1)
    callback.before_run(run)
    logs = step(run, callback, latent(0))
    assert 'codebook/usage' in logs
    assert 'codebook/quantization_error' not in logs


def test_a_latent_that_is_not_finite_leaves_the_error_finite() -> None:
    run, callback = runner(vector()), CodebookCallback(interval=1)
    callback.before_run(run)
    bad = latent(0)
    bad[0, 0, 0, 0] = math.nan
    assert math.isfinite(step(run, callback, bad)['codebook/quantization_error'])


def test_compiled_code_is_watched_alike() -> None:
    run = runner(vector())
    expected = []
    for compiled in (False, True):
        if compiled:
            run.model.quantizer.compile(backend='eager')
        run.iteration, callback = 0, CodebookCallback(interval=2)
        callback.before_run(run)
        logs = [step(run, callback, latent(seed)) for seed in range(4)]
        callback.after_run(run)
        expected.append([values(each) for each in logs])
    torch._dynamo.reset()
    for one, other in zip(*expected, strict=True):
        assert one == pytest.approx(other)


def collapsed() -> Any:
    """Return a quantizer all of whose latents have the same nearest code."""
    quantizer = MODELS.build(vector())
    with torch.no_grad():
        quantizer.codebook[1:] = 1e3
    return quantizer


def test_a_collapse_is_told_after_some_patience(caplog: Any) -> None:
    run, callback = runner(collapsed()), CodebookCallback(interval=2, patience=2)
    callback.before_run(run)
    with caplog.at_level(logging.WARNING):
        for count in range(8):
            step(run, callback, latent(count))
            assert len(caplog.records) == (count + 1) // 4
    assert 'only 1 of 16 codes (6.25%) of quantizer (VectorQuantizer)' in caplog.text
    assert VectorQuantizer.advice in caplog.text


def test_patience_is_with_each_codebook_by_itself(caplog: Any) -> None:
    cfg = dict(type='ProductQuantizer', quantizer=vector(), groups=2)
    run = runner(cfg)
    callback = CodebookCallback(interval=1, patience=2, min_usage=0.1)
    callback.before_run(run)
    for bad in (0, 1, 0, 1, 1):
        joint = latent(bad, dim=6)
        joint[:, 3 * bad : 3 * bad + 3] = 0
        step(run, callback, joint)
    (record,) = caplog.records
    assert 'quantizer.quantizers.1' in record.getMessage()


def test_few_tokens_are_no_collapse(caplog: Any) -> None:
    run = runner(vector())
    callback = CodebookCallback(interval=1, patience=1, min_usage=0.5)
    callback.before_run(run)
    codes = run.model.quantizer.codebook[:3].detach()
    step(run, callback, codes.T[None, :, None])
    assert not caplog.records


def test_counts_go_on_after_a_resume() -> None:
    def logs(*, resumed: bool) -> list[dict[str, float]]:
        run, callback = runner(vector()), CodebookCallback(interval=4)
        callback.before_run(run)
        found = []
        for number in range(8):
            if resumed and number in (3, 6):
                callback.after_run(run)
                state = copy.deepcopy(callback.state_dict())
                callback = CodebookCallback(interval=4)
                callback.load_state_dict(state)
                callback.before_run(run)
            found.append(values(step(run, callback, latent(number))))
        return found

    assert logs(resumed=True) == logs(resumed=False)


CASES: list[dict[str, Any]] = [
    vector(),
    dict(type='ResidualQuantizer', quantizer=vector(), depth=2, shared=False),
    dict(type='SignQuantizer'),
]


def logs_of_ranks(cfg: dict[str, Any]) -> list[dict[str, float]]:
    run, callback = runner(cfg), CodebookCallback(interval=2)
    callback.before_run(run)
    dim = run.model.quantizer.dim
    seeds = range(4)
    return [values(step(run, callback, share(latent(s, dim)))) for s in seeds]


def all_logs() -> list[Any]:
    return [logs_of_ranks(cfg) for cfg in CASES]


def test_two_ranks_count_together() -> None:
    expected = all_logs()
    for of_rank in run_ranks(all_logs, 2):
        for mine, joint in zip(of_rank, expected, strict=True):
            for one, other in zip(mine, joint, strict=True):
                assert one == pytest.approx(other, rel=1e-6)


def drift() -> str:
    run, callback = runner(vector()), CodebookCallback(interval=2)
    callback.before_run(run)
    step(run, callback, share(latent(0)))
    with torch.no_grad():
        run.model.quantizer.codebook[5, 1] += 1e-6 * distributed.rank()
    try:
        step(run, callback, share(latent(1)))
    except RuntimeError as error:
        return f'{type(error).__name__}: {error}'
    return ''


def test_ranks_that_drift_apart_are_told() -> None:
    for message in run_ranks(drift, 2):
        assert message.startswith('CodebookDriftError: at iteration 2 ')
        assert 'quantizer (VectorQuantizer)' in message


def test_revival_of_a_collapsed_codebook_takes_latents_of_the_batch() -> None:
    run = runner(collapsed())
    callback = CodebookCallback(interval=2, patience=1, on_collapse='revive')
    callback.before_run(run)
    quantizer = run.model.quantizer
    first = quantizer.codebook[0].detach().clone()
    run.optimizers = adam(quantizer.codebook)
    step(run, callback, latent(0))
    assert (quantizer.codebook[1:] == 1e3).all()
    step(run, callback, latent(1))
    codes = quantizer.codebook.detach()
    assert torch.equal(codes[0], first)
    candidates = [tuple(row.tolist()) for row in rows(latent(1))]
    taken = [tuple(code.tolist()) for code in codes[1:]]
    assert set(taken) <= set(candidates)
    assert len(set(taken)) == 15
    (state,) = run.optimizers['generator'].optimizer.state.values()
    for key in ('exp_avg', 'exp_avg_sq'):
        assert (state[key][0] != 0).all()
        assert (state[key][1:] == 0).all()


def test_reseeding_puts_the_batch_s_centres_for_the_codes() -> None:
    run = runner(collapsed())
    callback = CodebookCallback(interval=1, patience=1, on_collapse='reseed')
    callback.before_run(run)
    step(run, callback, latent(0))
    found = run.model.quantizer.codebook.detach()
    # 16 latents for 16 codes: each is a centre.
    expected, counts = kmeans(rows(latent(0)), 16)
    assert counts.max() == 1
    distances = torch.cdist(found, expected)
    assert distances.min(1).values.max() < 1e-6
    assert len(distances.argmin(1).unique()) == 16


def replaced(on_collapse: Any) -> Tensor:
    run = runner(collapsed())
    callback = CodebookCallback(interval=1, patience=1, on_collapse=on_collapse)
    callback.before_run(run)
    step(run, callback, share(latent(0)))
    return run.model.quantizer.codebook.detach().numpy()


@pytest.mark.parametrize('on_collapse', ['revive', 'reseed'])
def test_two_ranks_replace_as_one_does(on_collapse: str) -> None:
    one = replaced(on_collapse)
    for other in run_ranks(replaced, 2, on_collapse):
        assert (one == other).all()


def test_stop_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    words = [
        '--override',
        ".trainer.callbacks[1]:dict(type='CodebookCallback',interval=2,patience=2,"
        "min_usage=1.1,on_collapse='stop')",
    ]
    trainer = tiny_trainer(tmp_path, *words[1:])
    with pytest.raises(CollapseError, match='codebook was used too little for 2'):
        trainer.run()
    folder = checkpoints.list_checkpoints(trainer.checkpoints_root)[-1]
    assert folder.name == 'iter_4'
    whole = tiny_trainer(tmp_path / 'warned')
    whole.run()
    resumed = tiny_trainer(tmp_path)
    resumed.callbacks[1]._bad = {}  # type: ignore[attr-defined]
    resumed.resume(folder)
    resumed.run()
    expected = whole.model.state_dict()
    for key, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize('on_collapse', ['revive', 'reseed'])
def test_a_quantizer_without_a_table_is_told_at_once(on_collapse: Any) -> None:
    callback = CodebookCallback(on_collapse=on_collapse)
    run = runner(dict(type='SignQuantizer'))
    with pytest.raises(ValueError, match=r'SignQuantizer.*on_collapse=.warn'):
        callback.before_run(run)
    frozen = runner(MODELS.build(vector()).requires_grad_(False))
    with pytest.raises(ValueError, match=r'VectorQuantizer.*frozen'):
        CodebookCallback(on_collapse=on_collapse).before_run(frozen)


def test_pictures_show_the_codes_by_rank(tmp_path: Path) -> None:
    run = runner(vector(codebook_size=64, init='normal'), tmp_path)
    callback = CodebookCallback(interval=2, picture_every=2)
    callback.before_run(run)
    logs = [step(run, callback, latent(seed)) for seed in range(8)][-1]
    paths = sorted(path.name for path in (tmp_path / 'codebook').iterdir())
    assert paths == ['4.png', '8.png']
    sheet = read_image(tmp_path / 'codebook' / '8.png')
    blue = sheet == torch.tensor([31, 105, 176], dtype=torch.uint8)[:, None, None]
    heights = blue.all(0)[:, 53:376].sum(0)
    assert (heights.diff() <= 0).all()
    share_of_columns = float((heights > 0).double().mean())
    assert share_of_columns == pytest.approx(float(logs['codebook/usage']), abs=0.02)


def test_a_model_without_a_quantizer_is_told_apart() -> None:
    with pytest.raises(ValueError, match='codebook=None'):
        CodebookCallback().before_run(runner(nn.Linear(1, 1)))


def test_a_vocabulary_too_large_to_count_is_left_out(caplog: Any) -> None:
    quantizer = MODELS.build(dict(type='SignQuantizer'))
    quantizer.token_sizes = (2**30, 2**30)
    with pytest.raises(ValueError, match='codebook=None'):
        CodebookCallback().before_run(runner(quantizer))
    assert '1073741824 codes are too many' in caplog.text


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="on_collapse must be one of 'warn'.*'hope'"):
        CodebookCallback(on_collapse='hope')  # type: ignore[arg-type]
