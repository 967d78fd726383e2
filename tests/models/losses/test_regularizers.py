"""R1 and LeCAM against their formulas, and what they leave alone."""

import copy

import pytest
import torch
from torch import nn

from tests.ranks import run_ranks
from vq import distributed
from vq.models import LeCAM, PatchDiscriminator, R1Penalty


class Quadratic(nn.Module):
    """D(x) = sum of a x^2: its gradient at x is 2 a x."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.5))

    def forward(self, image):
        return self.a * image.square().sum((1, 2, 3))


def test_r1_is_the_mean_squared_norm_of_the_gradient():
    discriminator, image = Quadratic(), torch.randn(4, 3, 5, 5)
    logits = discriminator(image)
    penalty = R1Penalty(weight=0.5, every=8)(discriminator, image, logits, logits)
    norms = (2 * 1.5 * image).square().sum((1, 2, 3))
    torch.testing.assert_close(penalty, 0.5 * 8 * norms.mean())
    penalty.backward()
    # d/da of 4 a^2 |x|^2 is 8 a |x|^2.
    expected = 0.5 * 8 * (8 * 1.5 * image.square().sum((1, 2, 3))).mean()
    torch.testing.assert_close(discriminator.a.grad, expected)
    assert not image.requires_grad


def test_r1_of_an_image_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(depth=2, width=4).train()
    image = torch.randn(4, 3, 16, 16)
    r1 = R1Penalty()
    whole = r1(discriminator, image, image, image)
    single = [r1(discriminator, one[None], one, one) for one in image]
    torch.testing.assert_close(whole, torch.stack(single).mean())
    assert discriminator.training
    assert discriminator.blocks[0].norm.num_batches_tracked == 0


def test_r1_works_without_gradients_around_it_and_under_autocast():
    discriminator, image = Quadratic(), torch.randn(2, 3, 4, 4)
    plain = R1Penalty()(discriminator, image, image, image)
    with torch.autocast('cpu', torch.bfloat16), torch.no_grad():
        other = R1Penalty()(discriminator, image, image, image)
    torch.testing.assert_close(other, plain)


def test_r1_works_with_a_compiled_discriminator():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(depth=2, width=4)
    compiled = copy.deepcopy(discriminator)
    compiled.compile(backend='aot_eager')
    image = torch.randn(2, 3, 16, 16)
    for each in (discriminator, compiled):
        R1Penalty()(each, image, image, image).backward()
    pairs = zip(discriminator.parameters(), compiled.parameters(), strict=True)
    for one, other in pairs:
        if one.grad is not None:
            torch.testing.assert_close(other.grad, one.grad)
    assert discriminator.stem.weight.grad.any()


def lecam(regularizer, real, fake):
    return regularizer(nn.Identity(), real, real, fake)


def test_lecam_keeps_each_kind_near_the_other_average():
    regularizer = LeCAM(weight=2.0, decay=0.9)
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    # The first update starts the averages: 2 and -0.5.
    expected = ((1.5**2 + 3.5**2) / 2) + ((3.0**2 + 2.0**2) / 2)
    torch.testing.assert_close(
        lecam(regularizer, real, fake), torch.tensor(2.0 * expected)
    )
    lecam(regularizer, real + 10, fake)
    torch.testing.assert_close(regularizer.anchors, torch.tensor([3.0, -0.5]))


def test_lecam_averages_stand_still_in_eval_mode_and_survive_bad_numbers():
    regularizer = LeCAM(decay=0.5)
    lecam(regularizer, torch.ones(2), -torch.ones(2))
    before = regularizer.anchors.clone()
    lecam(regularizer.eval(), torch.zeros(2), torch.zeros(2))
    assert torch.equal(regularizer.anchors, before)
    lecam(regularizer.train(), torch.full((2,), torch.nan), torch.zeros(2))
    assert torch.equal(regularizer.anchors, before)
    loaded = LeCAM()
    loaded.load_state_dict(regularizer.state_dict())
    assert torch.equal(loaded.anchors, before) and loaded.started


def anchors_on_rank():
    regularizer = LeCAM()
    logits = torch.arange(4.0)[distributed.rank() :: 2]
    lecam(regularizer, logits, -logits)
    return regularizer.anchors


def test_two_ranks_share_their_averages():
    joint = LeCAM()
    lecam(joint, torch.arange(4.0), -torch.arange(4.0))
    for anchors in run_ranks(anchors_on_rank, 2):
        torch.testing.assert_close(anchors, joint.anchors)


@pytest.mark.parametrize(
    ('kind', 'wrong'),
    [(R1Penalty, {'every': 0}), (LeCAM, {'every': 0}), (LeCAM, {'decay': 1.0})],
)
def test_wrong_arguments_are_named(kind, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong)
