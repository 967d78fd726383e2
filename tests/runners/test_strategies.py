"""Strategies on one rank: precision, layout, compilation, states."""

from typing import Any

import pytest
import torch
from torch import nn
from torch._functorch import config as functorch

from tests.models.tiny import vqgan
from tests.runners.nets import data, distance, mse, net, update, weights
from vq.registry import MODELS
from vq.runners.strategies import DDPStrategy, FSDPStrategy, Phase, parts
from vq.types import Loss


class Spy(nn.Module):
    """Notes the types that a linear layer meets."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.seen: list[torch.dtype] = []

    def loss(self, x: torch.Tensor) -> Loss:
        y = self.linear(x)
        self.seen.append(y.dtype)
        return Loss(y.float().square().mean(), {})


@pytest.mark.parametrize('autocast', ['bf16', 'auto'])
def test_bf16_computes_in_bf16_and_keeps_float32(autocast: str) -> None:
    spy, x = Spy(), data(8)
    one = update(spy)
    one._strategy = DDPStrategy(autocast=autocast)
    before = weights(spy)
    result = one(spy.loss, x)
    exact = (x @ before['linear.weight'].T + before['linear.bias']).square().mean()
    assert result.total.item() == pytest.approx(exact.item(), rel=0.02)
    assert result.total.item() != exact.item()
    assert spy.seen == [torch.bfloat16]
    assert {p.dtype for p in spy.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in spy.parameters() if p.grad is not None} == {
        torch.float32
    }


def test_without_autocast_it_computes_in_float32() -> None:
    spy = Spy()
    update(spy)(spy.loss, data(2))
    assert spy.seen == [torch.float32]
    assert not DDPStrategy().scaler().is_enabled()


@pytest.mark.parametrize(
    ('autocast', 'words'),
    [('fp16', "needs a GPU; on the CPU use 'bf16'"), ('fp8', "got 'fp8'")],
)
def test_wrong_precisions_are_refused(
    monkeypatch: pytest.MonkeyPatch, autocast: str, words: str
) -> None:
    monkeypatch.setenv('DEVICE', 'cpu')
    with pytest.raises(ValueError, match=words):
        DDPStrategy(autocast=autocast)


def test_fsdp_refuses_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DDPStrategy, '_precision', lambda *_: torch.float16)
    with pytest.raises(ValueError, match="use autocast='bf16'"):
        FSDPStrategy(autocast='fp16')


def convolutions() -> nn.Sequential:
    """Return a net of convolutions on 3 channels."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 3))


def image_loss(model: nn.Module, x: torch.Tensor) -> Loss:
    return Loss(model(x).square().mean(), {})


def test_channels_last_gives_the_same_result_in_another_layout() -> None:
    results = []
    for channels_last in (False, True):
        model = convolutions()
        strategy = DDPStrategy(channels_last=channels_last)
        strategy.place(model, training=True)
        one = update(model)
        for seed in range(3):
            one(image_loss, model, data(2 * 64, seed).reshape(2, 3, 8, 8))
        results.append((weights(model), model[2].weight))
    (plain, weight), (other, nhwc) = results
    assert distance(plain, other) < 1e-5
    assert nhwc.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous(memory_format=torch.channels_last)


def test_compiled_parts_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured as ever, but not translated to C++, which takes half a minute."""
    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, 'compile', lambda m: compile_(m, backend='eager'))
    monkeypatch.setattr(functorch, 'donated_buffer', True)

    class System(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.encoder(x)

    plain, compiled = System(), System()
    DDPStrategy(compile=True).place(compiled, training=True)
    assert compiled.encoder._compiled_call_impl is not None
    for model in (plain, compiled):
        one = update(model)
        for seed in range(2):
            one(mse, model, data(4, seed))
    assert distance(weights(plain), weights(compiled)) < 1e-5
    # Translated code would refuse the second backward pass of an adaptive weight.
    assert functorch.donated_buffer is False


def test_parts_are_what_is_trained() -> None:
    model = MODELS.build(vqgan())
    names = ['encoder', 'post_encode', 'quantizer', 'pre_decode', 'decoder']
    assert [name for name, _ in parts(model)] == [*names, 'discriminator']
    model.decoder.requires_grad_(False)
    assert 'decoder' not in dict(parts(model))
    assert dict(parts(model))['encoder'] is model.tokenizer.encoder


@pytest.mark.parametrize('strategy', [DDPStrategy(), FSDPStrategy()])
def test_states_go_round_and_partial_ones_are_taken(strategy: Any) -> None:
    one, other = net(0), net(1)
    strategy.place(one, training=True)
    before = weights(other)
    state = strategy.model_state(one)
    part = {k: v for k, v in state.items() if k.startswith('0')}
    strategy.load_model_state(other, part, strict=False)
    assert distance(weights(other), before | part) == 0
    strategy.load_model_state(other, state)
    assert distance(weights(other), weights(one)) == 0
    with pytest.raises(RuntimeError, match='Missing key'):
        strategy.load_model_state(other, part)


def test_one_rank_runs_a_plain_phase() -> None:
    phase = DDPStrategy().phase(list(net().parameters()))
    assert type(phase) is Phase
    with phase.no_sync():
        assert phase(lambda x, y: x + y, 1, 2) == 3


def test_deterministic_kernels_are_a_switch() -> None:
    DDPStrategy(deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()
    DDPStrategy()
    assert not torch.are_deterministic_algorithms_enabled()
