"""Supervisors count what training uses, and warn once it goes wrong for long."""

import logging
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.callbacks import CodebookCallback, DiscriminatorCallback
from vq.config import load
from vq.config.checking import check
from vq.registry import MODELS


def runner(model: Any = None) -> Any:
    """Return what a supervisor asks of a runner."""
    strategy = SimpleNamespace(device=torch.device('cpu'))
    return SimpleNamespace(model=model, strategy=strategy, iteration=0)


def step(run: Any, callback: Any, logs: dict[str, torch.Tensor]) -> dict:
    run.iteration += 1
    callback.after_train_iter(run, None, logs)
    return logs


def test_usage_is_that_of_all_tokens_of_a_window() -> None:
    model = MODELS.build(tiny.vqgan())
    run, callback = runner(model), CodebookCallback(interval=2)
    callback.before_run(run)
    tokens = []
    for seed in (0, 1):
        batch = tiny.batch(seed=seed)
        tokens.append(model(batch.image).quantized.tokens)
        model.eval()
        model(tiny.batch(seed=7).image)  # validation does not count
        model.train()
        logs = step(run, callback, {})
    number = torch.bincount(torch.cat(tokens).flatten(), minlength=32).double()
    share = number / number.sum()
    entropy = -(share * share.log()).nansum()
    torch.testing.assert_close(
        logs['codebook/usage'].double(), (number > 0).double().mean()
    )
    torch.testing.assert_close(
        logs['codebook/perplexity'].double(), entropy.exp(), rtol=1e-6, atol=0
    )
    assert step(run, callback, {}) == {}  # a new window has begun
    callback.after_run(run)
    assert not model.tokenizer.quantizer._forward_hooks


def collapsed() -> Any:
    """Return a VQGAN all of whose latents have the same nearest code."""
    model = MODELS.build(tiny.vqgan())
    model.tokenizer.quantizer.codebook.data[1:] = 1e3
    return model


def test_a_collapse_is_told_after_some_patience(caplog: Any) -> None:
    model = collapsed()
    run, callback = runner(model), CodebookCallback(interval=2, patience=2)
    callback.before_run(run)
    with caplog.at_level(logging.WARNING):
        for count in range(8):
            model(tiny.batch().image)
            step(run, callback, {})
            assert len(caplog.records) == (count + 1) // 4
    assert 'only 1 of 32 codes (3.12%)' in caplog.text
    assert 'normalize=True' in caplog.text


def test_few_tokens_are_no_collapse(caplog: Any) -> None:
    model = MODELS.build(tiny.vqgan())
    quantizer = model.tokenizer.quantizer
    callback = CodebookCallback(interval=1, patience=1, min_usage=0.5)
    run = runner(model)
    callback.before_run(run)
    with torch.no_grad():
        quantizer(quantizer.codebook[:3].T[None, :, None])
    step(run, callback, {})
    assert not caplog.records


def test_counts_go_on_after_a_resume() -> None:
    model = MODELS.build(tiny.vqgan())
    batches = [tiny.batch(seed=0), tiny.batch(seed=1)]

    def usage(*, resumed: bool) -> dict:
        run, callback = runner(model), CodebookCallback(interval=2)
        callback.before_run(run)
        model(batches[0].image)
        step(run, callback, {})
        if resumed:
            callback.after_run(run)
            state, callback = callback.state_dict(), CodebookCallback(interval=2)
            callback.load_state_dict(state)
            callback.before_run(run)
        model(batches[1].image)
        logs = step(run, callback, {})
        callback.after_run(run)
        return logs

    assert usage(resumed=True) == usage(resumed=False)


def usage_of_half() -> float:
    torch.manual_seed(0)
    model = MODELS.build(tiny.vqgan())
    run, callback = runner(model), CodebookCallback(interval=1)
    callback.before_run(run)
    model(tiny.batch(4).image[distributed.rank() :: distributed.world_size()])
    return step(run, callback, {})['codebook/usage']


def test_two_ranks_count_together() -> None:
    assert run_ranks(usage_of_half, 2) == [usage_of_half()] * 2


def test_a_model_without_a_quantizer_is_told_apart() -> None:
    with pytest.raises(ValueError, match='codebook=None'):
        CodebookCallback().before_run(runner(torch.nn.Linear(1, 1)))


def accuracies(real: float, fake: float) -> dict[str, torch.Tensor]:
    return dict(accuracy_real=torch.tensor(real), accuracy_fake=torch.tensor(fake))


def test_a_discriminator_that_wins_is_told(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=2, patience=2)
    for _ in range(3):
        step(run, callback, accuracies(1.0, 1.0))
        step(run, callback, {})  # it learns at every second iteration
    (record,) = caplog.records
    assert 'tells 100.0% of real images and 100.0% of reconstructions' in caplog.text
    assert 'for 4 iterations' in record.getMessage()


def test_one_good_window_starts_the_patience_anew(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=1, patience=2)
    for real, fake in [(1, 1), (1, 0.9), (1, 1), (0.98, 1), (1, 1)]:
        step(run, callback, accuracies(real, fake))
    assert not caplog.records
    other = DiscriminatorCallback(interval=1, patience=2)
    other.load_state_dict(callback.state_dict())
    step(run, other, accuracies(1, 1))
    assert len(caplog.records) == 1


def test_the_way_out_can_be_typed_as_it_stands(caplog: Any) -> None:
    run, callback = runner(), DiscriminatorCallback(interval=1, patience=1)
    step(run, callback, accuracies(1, 1))
    message = caplog.records[0].getMessage()
    words = shlex.split(message[message.index("'.trainer") : message.index("',") + 1])
    path = Path(__file__).parents[2] / 'configs/vqgan/8192_imagenet_ddp.py'
    config = load(path, overrides=words)
    check(config)
    assert config.trainer.model.regularizers.r1.every == 16


def test_runs_have_supervisors_before_the_log() -> None:
    path = Path(__file__).parents[2] / 'configs/vqgan/8192_imagenet_ddp.py'
    kinds = [callback.type for callback in load(path).trainer.callbacks]
    assert kinds.index('CodebookCallback') < kinds.index('LogCallback')
    assert kinds.index('DiscriminatorCallback') < kinds.index('LogCallback')


@pytest.mark.parametrize('wrong', [dict(interval=0), dict(patience=0)])
def test_wrong_arguments_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CodebookCallback(**wrong)
