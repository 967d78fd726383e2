"""Updates over two ranks equal one rank's with the joint batch."""

import torch
from torch import Tensor, nn

from tests.ranks import run_ranks
from tests.runners.nets import ADAM, by_hand, data, distance, mse, net, update, weights
from vq import distributed
from vq.models.layers import frozen
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate
from vq.types import Loss

BATCHES = [data(6, seed) for seed in range(4)]


def share(x: Tensor) -> Tensor:
    """Return this rank's share of a batch."""
    return x.chunk(distributed.world_size())[distributed.rank()]


def skipping() -> tuple[dict[str, Tensor], list[int], float]:
    """Train where rank 1 alone has something that is not finite; both must skip."""
    model = net()
    one, counts = update(model, clip_grad=0.5), []
    for i, x in enumerate(BATCHES):
        bad = dict(enumerate((torch.nan, torch.inf))).get(i % 3 - 1, 0.0)
        one(mse, model, share(x))
        if bad:
            one(mse, model, share(x), bad if distributed.rank() == 1 else 0.0)
        counts.append(int(one.skipped))
    return weights(model), counts, float(one.gradient_norm)


def test_one_ranks_nan_is_skipped_by_both_and_the_rest_is_as_on_one() -> None:
    (mine, counts, norm), (theirs, other_counts, _) = run_ranks(skipping, 2)
    assert distance(mine, theirs) == 0
    assert counts == other_counts == [0, 1, 2, 2]
    model = net()
    norms = by_hand(model, BATCHES, clip=0.5)
    assert distance(mine, weights(model)) < 1e-6
    assert abs(norm - norms[-1]) < 1e-5


class Two(nn.Module):
    """A generator and a critic of it, whose losses run through both."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.critic = net(1), nn.Linear(1, 1)
        nn.init.constant_(self.critic.weight, 0.3)
        nn.init.constant_(self.critic.bias, -0.2)

    def generator_loss(self, x: Tensor) -> Loss:
        """Return a loss through the critic, frozen as accumulation demands."""
        fake = self.generator(x)
        self.fake = fake.detach()
        with frozen(self.critic):
            total = (self.critic(fake) + fake.square()).mean()
        return Loss(total, {}, None)

    def critic_loss(self) -> Loss:
        return Loss((self.critic(self.fake) - 1).square().mean(), {}, None)


def two_phases(accumulate: int) -> dict[str, Tensor]:
    """Train both parts within each iteration."""
    model, strategy = Two(), DDPStrategy()
    phases = {
        name: OptimizerUpdate(
            name=name,
            spec=dict(ADAM, params=[name], clip_grad=0.5),
            schedule=None,
            model=model,
            strategy=strategy,
            accumulate=accumulate,
        )
        for name in ('generator', 'critic')
    }
    for x in BATCHES:
        for part in share(x).chunk(accumulate):
            phases['generator'](model.generator_loss, part)
            phases['critic'](model.critic_loss)
    return weights(model)


def both() -> list[dict[str, Tensor]]:
    """Train without and with accumulation."""
    return [two_phases(1), two_phases(3)]


def two_by_hand() -> dict[str, Tensor]:
    """Train both parts with plain torch, on the joint batch."""
    model = Two()
    parts = dict(generator=model.generator_loss, critic=lambda _: model.critic_loss())
    optimizers = {
        name: torch.optim.Adam(
            model.get_submodule(name).parameters(), 0.05, (0.5, 0.9), fused=True
        )
        for name in parts
    }
    for x in BATCHES:
        for name, loss in parts.items():
            part = model.get_submodule(name)
            part.zero_grad()
            loss(x).total.backward()
            nn.utils.clip_grad_norm_(part.parameters(), 0.5)
            optimizers[name].step()
    return weights(model)


def test_two_optimizers_on_two_ranks_equal_one_rank_by_hand() -> None:
    expected = two_by_hand()
    assert distance(two_phases(1), expected) == 0
    (plain, accumulated), other = run_ranks(both, 2)
    assert distance(plain, other[0]) == distance(accumulated, other[1]) == 0
    assert distance(plain, expected) < 1e-6
    assert distance(accumulated, expected) < 1e-6
