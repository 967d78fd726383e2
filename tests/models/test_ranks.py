"""VQGAN on two ranks: three steps equal those of one rank with both batches."""

import pytest
import torch
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.registry import MODELS


class AveragingStep(tiny.Step):
    """An update that averages the gradients of what is not sharded over ranks."""

    def __call__(self, loss, *args):
        self.optimizer.zero_grad()
        result = loss(*args)
        result.total.backward()
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                if not isinstance(parameter, DTensor):
                    parameter.grad = distributed.mean(parameter.grad)
        self.optimizer.step()
        return result


def train(sharded=False):
    torch.manual_seed(0)
    discriminator = dict(type='PatchDiscriminator', depth=2, width=4, norm='sync_batch')
    model = MODELS.build(tiny.vqgan(discriminator=discriminator))
    if sharded:
        for part in (model.tokenizer.encoder, model.decoder, model.discriminator):
            fully_shard(part)
    steps = tiny.adam(model)
    for name, step in steps.items():
        steps[name] = AveragingStep(step.optimizer)
    batches = list(tiny.batch(4).chunk(distributed.world_size()))
    logs = []
    for steps.iteration in range(3):
        step = model.train_step(batches[distributed.rank()], steps)
        logs.append({k: float(distributed.mean(v)) for k, v in step.items()})
    return logs


@pytest.mark.parametrize('sharded', [False, True])
def test_two_ranks_train_like_one(sharded):
    expected = train()
    for logs in run_ranks(train, 2, sharded):
        for ours, theirs in zip(logs, expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-5)
