"""A transformer under FSDP, block by block, trains and samples as on one rank."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from tests.models.tiny_proposal import batch, config
from tests.ranks import run_ranks
from tests.runners.nets import distance
from vq import distributed
from vq.models.proposal import ProposalNetwork
from vq.registry import MODELS
from vq.runners.strategies import DDPStrategy, FSDPStrategy, blocks
from vq.runners.updates import OptimizerUpdate

Run = tuple[list[float], list[Tensor], dict[str, Tensor], set[str]]


def train(strategy: str, checkpointing: bool) -> Run:
    """Train two iterations, sampling after each.

    Returns:
        The mean losses, the samples of this rank, the state, and what is sharded.
    """
    torch.manual_seed(0)
    settings = config(cfg=2.0, top_k=20) | dict(class_dropout=0.0)
    settings['transformer'] |= dict(depth=2, checkpointing=checkpointing)
    model: ProposalNetwork = MODELS.build(settings)
    kinds: dict[str, Any] = dict(ddp=DDPStrategy, fsdp=FSDPStrategy)
    options = dict(min_parameters=1) if strategy == 'fsdp' else {}
    placing = kinds[strategy](**options)
    placing.place(model, training=True)
    sharded = {k for k, p in model.named_parameters() if isinstance(p, DTensor)}
    update = OptimizerUpdate(
        name='transformer',
        spec=dict(type='AdamW', lr=0.01, params=['transformer']),
        schedule=None,
        model=model,
        strategy=placing,
    )
    rank, size = distributed.rank(), distributed.world_size()
    own = list(batch(4).chunk(size))[rank]
    losses, samples = [], []
    for _ in range(2):
        model.train()
        total = model.train_step(own, {'transformer': update})['total']  # type: ignore[arg-type]
        losses.append(sum(distributed.gather(float(total))) / size)
        model.eval()
        with torch.no_grad(), placing.gathered(model):
            output = model.val_step(own)
            samples.append(output.part('generated').quantized.tokens)
    return losses, samples, placing.model_state(model), sharded


def train_all() -> list[Run]:
    """Train under each strategy."""
    return [train('ddp', False), train('fsdp', False), train('fsdp', True)]


def test_training_and_sampling_equal_one_rank() -> None:
    losses, samples, state, _ = train('ddp', False)
    assert losses[-1] < losses[0]
    first, second = run_ranks(train_all, 2)
    for one, other in zip(first, second, strict=True):
        assert one[0] == other[0] == pytest.approx(losses, abs=1e-5)
        for i, expected in enumerate(samples):
            assert torch.equal(torch.cat([one[1][i], other[1][i]]), expected)
        assert distance(state, one[2]) < 1e-5  # rank 0 has the whole
    assert [bool(run[3]) for run in first] == [False, True, True]
    network = {k for k in state if k.startswith('transformer.')}
    assert first[1][3] == network


def test_blocks_are_those_of_transformers() -> None:
    model = MODELS.build(config())
    assert blocks(model.transformer) == list(model.transformer.body.blocks)
    assert not blocks(model.decoder) and not blocks(model.tokenizer.encoder)
