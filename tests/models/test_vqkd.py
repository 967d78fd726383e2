"""VQ-KD: its losses against their formulas, what is learnt, and what does not fit."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.models import tiny
from tests.ranks import run_ranks
from vq import distributed
from vq.models.teachers.base import Teacher
from vq.registry import MODELS
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate, Updates

SIZES = dict(width=16, depth=1, heads=2, latent_dim=4)


class Patches(Teacher):
    """A random linear map of patches of 4 px."""

    def __init__(self, *, dim=6, grid=None):
        super().__init__(weights='random', grid=grid, precision='float32')
        self.out_dim = dim
        self.downscale = 4
        self.set_pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.network = nn.Conv2d(3, dim, 4, stride=4)
        self.freeze()

    def dense(self, pixels):
        return self.network(pixels)


def config(*, quantizer=None, decoder=None, teacher=None):
    return dict(
        type='VQKD',
        tokenizer=dict(
            type='ImageTokenizer',
            encoder=dict(type='ViTEncoder', image_size=16, patch=4, **SIZES),
            post_encode=dict(type='Identity'),
            quantizer=dict(type='NormEMAQuantizer', codebook_size=8, dim=4)
            | (quantizer or {}),
        ),
        decoder=dict(type='ViTDecoder', out_dim=6, grid=4, **SIZES) | (decoder or {}),
        teacher=dict(type=Patches) | (teacher or {}),
    )


def build(**changes):
    torch.manual_seed(0)
    return MODELS.build(config(**changes))


def train(model, batches, *, rate=1e-2):
    """Train by the house's own update, and return all logs."""
    update = OptimizerUpdate(
        name='generator',
        spec=dict(type='SGD', lr=rate, params=['tokenizer', 'decoder']),
        schedule=None,
        model=model,
        strategy=DDPStrategy(),
    )
    optimizers = Updates(generator=update)
    return [model.train_step(batch, optimizers) for batch in batches]


def test_losses_equal_their_formulas():
    model = build(quantizer=dict(init='normal', commitment_weight=0.5)).eval()
    batch = tiny.batch(3)
    loss = model.generator_loss(batch)
    latent = functional.normalize(model.tokenizer.encode(batch.image), dim=1)
    codes = model.tokenizer.quantizer.codebook
    tokens = torch.einsum('bdhw,kd->bhwk', latent, codes).argmax(-1)
    quantized = codes[tokens].permute(0, 3, 1, 2)
    target = model.teacher(batch.original_image)
    cosines = functional.cosine_similarity(model.decoder(quantized), target, dim=1)
    commitment = 0.5 * (latent - quantized).square().mean()
    expected = dict(commitment_loss=commitment, feature_loss=(1 - cosines).mean())
    expected['total'] = sum(expected.values())
    assert loss.logs.keys() == expected.keys()  # every term by its name
    torch.testing.assert_close(loss.logs, {k: v.detach() for k, v in expected.items()})
    torch.testing.assert_close(loss.total, expected['total'])
    told = model.val_step(batch)
    assert torch.equal(told.quantized.tokens, tokens)
    assert torch.equal(told.target, target)
    torch.testing.assert_close(told.features, model.decoder(quantized))


def test_the_teacher_is_given_pictures_and_never_learns():
    model = build(quantizer=dict(init='normal'))
    batch = tiny.batch(2)
    weights = copy.deepcopy(model.teacher.network.weight)
    pixels = batch.original_image.float() / 127.5 - 1
    expected = functional.conv2d(pixels, weights, model.teacher.network.bias, stride=4)
    before = copy.deepcopy(model.state_dict())
    train(model.train(), [batch])
    torch.testing.assert_close(model.val_step(batch).target, expected)
    assert torch.equal(model.teacher.network.weight, weights)
    assert not model.teacher.training and model.decoder.training
    assert {key.split('.')[0] for key in before} == {'tokenizer', 'decoder'}
    after = model.state_dict()
    assert all(not torch.equal(after[key], before[key]) for key in before)


def test_it_learns():
    model = build()
    batch = tiny.batch(8)
    logs = train(model.train(), [batch] * 60, rate=0.3)
    losses = [float(step['feature_loss']) for step in logs]
    assert losses[-1] < 0.8 * losses[0]
    assert model.tokenizer.quantizer.initialized


def shares(rank, ranks):
    """Return a rank's part of each of three batches."""
    return [list(tiny.batch(8, seed=seed).chunk(ranks))[rank] for seed in range(3)]


def on_rank():
    """Train this rank's share, and return the weights."""
    model = build().train()
    train(model, shares(distributed.rank(), distributed.world_size()))
    return {key: value.numpy() for key, value in model.state_dict().items()}


def test_two_ranks_are_one():
    alone = on_rank()
    for found in run_ranks(on_rank, 2):
        assert found.keys() == alone.keys()
        for key, value in alone.items():
            assert found[key] == pytest.approx(value, abs=1e-6), key


def test_channels_are_compared_at_building():
    with pytest.raises(ValueError, match=r'decoder gives 5 .*teacher have 6.*out_dim'):
        build(decoder=dict(out_dim=5))
    with pytest.raises(ValueError, match='quantizer gives 4 channels, decoder takes 3'):
        build(decoder=dict(latent_dim=3))


def test_grids_are_compared_with_each_batch():
    model = build(teacher=dict(grid=3))
    message = r'features \(2, 6, 4, 4\), those of teacher are \(2, 6, 3, 3\).*grid.*4'
    with pytest.raises(ValueError, match=message):
        model.val_step(tiny.batch())
    assert build(teacher=dict(grid=4)).val_step(tiny.batch()).target.shape[-1] == 4


def test_without_a_teacher_there_are_weights_and_tokens_alone():
    model = MODELS.build(config() | dict(teacher=None))
    assert model.state_dict().keys() == build().state_dict().keys()
    assert model.tokenizer.tokenize(tiny.batch().image).shape == (2, 4, 4)
    with pytest.raises(ValueError, match='teacher is None'):
        model.val_step(tiny.batch())
