"""SyncBatchNorm: two ranks equal one rank with both batches."""

import torch
from torch import nn

from tests.ranks import run_ranks
from vq import distributed
from vq.models.discriminators.norm import SyncBatchNorm


def inputs():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(5, 4, 3, 3, generator=generator, dtype=torch.float64) * 3 + 1
    weight = torch.randn(5, 4, 3, 3, generator=generator, dtype=torch.float64)
    return image, weight


def affine(norm):
    norm = norm.double()
    norm.weight.data = torch.linspace(0.5, 2, 4, dtype=torch.float64)
    norm.bias.data = torch.linspace(-1, 1, 4, dtype=torch.float64)
    return norm


def step(norm, image, weight):
    image = image.clone().requires_grad_()
    out = norm(image)
    (out * weight).sum().backward()
    return [
        x.detach()
        for x in (
            out,
            image.grad,
            norm.weight.grad,
            norm.bias.grad,
            norm.running_mean,
            norm.running_var,
        )
    ]


def on_rank():
    image, weight = inputs()
    part = slice(0, 2) if distributed.rank() == 0 else slice(2, 5)
    norm = affine(SyncBatchNorm(4))
    result = step(norm, image[part], weight[part])
    return [*result, norm.num_batches_tracked, norm.eval()(image[part]).detach()]


def test_two_ranks_equal_the_joint_batch():
    norm = affine(nn.BatchNorm2d(4))
    out, grad, *parameters, mean, variance = step(norm, *inputs())
    ranks = run_ranks(on_rank, 2)
    torch.testing.assert_close(torch.cat([r[0] for r in ranks]), out)
    torch.testing.assert_close(torch.cat([r[1] for r in ranks]), grad)
    for i, expected in enumerate(parameters, 2):
        torch.testing.assert_close(ranks[0][i] + ranks[1][i], expected)
    for rank in ranks:
        torch.testing.assert_close(rank[4], mean)
        torch.testing.assert_close(rank[5], variance)
        assert rank[6] == 1
    evaluated = norm.eval()(inputs()[0])
    torch.testing.assert_close(torch.cat([r[7] for r in ranks]), evaluated)


def test_one_rank_is_plain_batch_norm():
    ours, theirs = affine(SyncBatchNorm(4)), affine(nn.BatchNorm2d(4))
    pairs = zip(step(ours, *inputs()), step(theirs, *inputs()), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
