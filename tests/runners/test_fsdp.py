"""FSDP on two gloo ranks equals DDP; states fit under either and a plain model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from tests.ranks import run_ranks
from tests.runners.nets import data, distance, mse, net
from tests.runs import tiny, tiny_trainer
from vq import checkpoints, distributed
from vq.registry import MODELS
from vq.runners import Trainer
from vq.runners.strategies import FSDPStrategy
from vq.runners.updates import OptimizerUpdate, clip, total_norm

DDP = 'dict(type="DDPStrategy")'
SHARDED = 'dict(type="FSDPStrategy",min_parameters=1)'
FUSED = [f'.trainer.optimizers.{o}.fused:True' for o in ('generator', 'discriminator')]
MIXED = 'dict(type="FSDPStrategy",min_parameters=500)'


def trainer(folder: Path, strategy: str, *more: str) -> Trainer:
    """Return a trainer whose adversarial part begins at once, with an average."""
    return tiny_trainer(
        folder,
        f'.trainer.strategy:{strategy}',
        '.trainer.iters:4',
        '.trainer.model.discriminator_start:1',
        '.trainer.callbacks[-1].interval:2',
        *more,
    )


def sharded(model: nn.Module) -> set[str]:
    """Return the parts that are sharded, by their names in the state dict."""
    keys = [k for k, p in model.named_parameters() if isinstance(p, DTensor)]
    return {'.'.join(k.split('.')[: 2 if k[0] == 't' else 1]) for k in keys}


def train_all(root: Path) -> dict[str, set[str]]:
    """Train under each strategy, straight and from the checkpoint of another."""
    runs: dict[str, tuple[str, str | None]] = {
        'ddp': (DDP, None),
        'sharded': (SHARDED, None),
        'mixed': (MIXED, None),
        'sharded from ddp': (SHARDED, 'ddp'),
        'ddp from mixed': (DDP, 'mixed'),
    }
    found = {}
    for name, (strategy, source) in runs.items():
        fused = [
            f'.trainer.optimizers.{o}.fused:True'
            for o in ('generator', 'discriminator')
        ]
        one = trainer(root / name, strategy, *(fused if name == 'mixed' else []))
        if source is not None:
            one.resume(root / source / 'checkpoints' / 'iter_2')
        one.run()
        found[name] = sharded(one.model)
    return found


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """Train all on two ranks; return where, and which parts were sharded."""
    root = tmp_path_factory.mktemp('fsdp')
    one, other = run_ranks(train_all, 2, root)
    assert one == other
    return root, one


def saved(root: Path, name: str) -> dict[str, Any]:
    """Return the last checkpoint's states."""
    folder = checkpoints.Checkpoint(root / name / 'checkpoints' / 'iter_4')
    return {stem: folder.read(stem) for stem in ('model', 'ema', 'optimizers')}


PARTS = {'tokenizer.encoder', 'decoder'}
SMALL = {'tokenizer.post_encode', 'pre_decode'}


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('sharded', PARTS | SMALL),
        ('mixed', PARTS),
        ('sharded from ddp', PARTS | SMALL),
        ('ddp from mixed', set()),
    ],
)
def test_training_equals_ddp(
    runs: tuple[Path, dict[str, set[str]]], name: str, expected: set[str]
) -> None:
    root, found = runs
    straight, other = saved(root, 'ddp'), saved(root, name)
    for stem in ('model', 'ema'):
        assert distance(straight[stem], other[stem]) < 1e-5
    for optimizer, state in straight['optimizers'].items():
        mine = other['optimizers'][optimizer]['optimizer']
        assert sorted(mine) == sorted(state['optimizer'])
        for key, values in state['optimizer'].items():
            assert distance(values, mine[key]) < 1e-5
    assert found[name] == expected


def test_sharded_states_fit_a_plain_model(
    runs: tuple[Path, dict[str, set[str]]],
) -> None:
    model = MODELS.build(tiny().trainer.model)
    state = saved(runs[0], 'sharded')['model']
    model.load_state_dict(state)
    assert checkpoints.state_hash(model.state_dict()) == checkpoints.state_hash(state)


def norms_and_clips() -> list[float]:
    """Clip mixed gradients; return the norm, before and after, as each rank sees it."""
    model, strategy = net(), FSDPStrategy(min_parameters=1)
    holder = nn.ModuleDict({'encoder': nn.Sequential(model[0], model[1])})
    strategy.place(holder, training=True)
    x = data(6).chunk(2)[distributed.rank()]
    mse(nn.Sequential(holder['encoder'], model[2]), x).total.backward()
    parameters = list(model.parameters())
    strategy.finish_gradients(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    assert {type(g) for g in gradients} == {DTensor, Tensor}
    before = total_norm(gradients)
    clip(gradients, before, 0.1)
    return [float(before), float(total_norm(gradients))]


def test_norm_and_clip_of_mixed_gradients_equal_torchs() -> None:
    one, other = run_ranks(norms_and_clips, 2)
    model = net()
    mse(model, data(6)).total.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    assert one == other == pytest.approx([float(norm), 0.1], rel=1e-4)


def too_small() -> str:
    """Return the error of a model without a part that is large enough."""
    with pytest.raises(ValueError, match='use DDPStrategy') as caught:
        holder = nn.ModuleDict({'encoder': net(), 'quantizer': nn.Embedding(999, 9)})
        FSDPStrategy(min_parameters=500).place(holder, training=True)
    return str(caught.value)


def test_nothing_to_shard_is_an_error() -> None:
    one, other = run_ranks(too_small, 2)
    assert (
        one
        == other
        == (
            'FSDPStrategy found no part with 500 parameters or more to shard; '
            'use DDPStrategy'
        )
    )


def test_on_one_rank_and_in_validation_it_is_a_plain_run() -> None:
    model, strategy = net(), FSDPStrategy(min_parameters=1)
    strategy.place(model, training=True)
    assert not any(isinstance(p, DTensor) for p in model.parameters())
    one = OptimizerUpdate(
        name='x',
        spec=dict(type='SGD', lr=0.1),
        schedule=None,
        model=model,
        strategy=strategy,
    )
    before = model[0].weight.detach().clone()
    one(mse, model, data(4))
    expected = net()
    mse(expected, data(4)).total.backward()
    torch.testing.assert_close(model[0].weight, before - 0.1 * expected[0].weight.grad)
