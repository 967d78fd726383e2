"""A probe equals torch's layers on the codes' means, and leaves its tokenizer alone."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.models import tiny
from tests.models.quantizers.families import product, residual, vq
from tests.ranks import run_ranks
from vq import distributed
from vq.models import LinearProbe
from vq.optimizers import LARS
from vq.registry import MODELS
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate, Updates
from vq.types import Batch

CLASSES = 7
HEAD = dict(type='LARS', lr=3.0, params=['head'])


def make(quantizer: dict[str, Any] | None = None, seed: int = 0) -> LinearProbe:
    """Return a probe of 16 px images in training mode."""
    tokenizer = tiny.vqgan()['tokenizer']
    tokenizer['quantizer'] = quantizer or dict(vq(), codebook_size=32)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = dict(type='LinearProbe', tokenizer=tokenizer, classes=CLASSES)
        return MODELS.build(config).train()


def batch(number: int = 6, seed: int = 0) -> Batch:
    """Return random images of random classes."""
    images = tiny.batch(number, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    images.category = torch.randint(CLASSES, (number,), generator=generator)
    return images


def updates(model: nn.Module) -> Updates:
    """Return the update of a probe's layer."""
    head = OptimizerUpdate(
        name='head', spec=HEAD, schedule=None, model=model, strategy=DDPStrategy()
    )
    return Updates(head=head)


def features(model: LinearProbe, images: Batch) -> Tensor:
    """Return the mean of the codes, looked up one by one, (b, d)."""
    codebook = model.tokenizer.quantizer.codebook.detach().numpy()
    tokens = model.tokenizer.tokenize(images.image).numpy()
    rows = [codebook[of_image.ravel()].mean(0) for of_image in tokens]
    return torch.from_numpy(np.stack(rows))


def test_training_equals_torchs_layers_on_the_means_of_codes() -> None:
    model = make()
    norm, head = nn.BatchNorm1d(4, eps=1e-6, affine=False), nn.Linear(4, CLASSES)
    head.load_state_dict(model.head.state_dict())
    optimizer, optimizers = LARS(head.parameters(), lr=3.0), updates(model)
    for seed in range(4):
        images = batch(seed=seed)
        logits = head(norm(features(model, images)))
        loss = functional.cross_entropy(logits, images.category)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        logs = model.train_step(images, optimizers)
        assert logs['total'] == pytest.approx(loss.item(), rel=1e-5)
        right = [
            int(row.argmax() == category)
            for row, category in zip(logits, images.category, strict=True)
        ]
        assert logs['top1'] == pytest.approx(sum(right) / 6)
    torch.testing.assert_close(model.head.state_dict(), head.state_dict())
    found = model.eval().val_step(images)
    expected = head(norm.eval()(features(model, images)))
    torch.testing.assert_close(found.logits, expected)
    assert torch.equal(found.quantized.tokens, model.tokenizer.tokenize(images.image))


def on_rank() -> tuple[dict[str, Tensor], list[float]]:
    """Train a probe for three steps on this rank's share of the batches."""
    model = make()
    optimizers, logs = updates(model), []
    for seed in range(3):
        parts = list(batch(seed=seed).chunk(distributed.world_size()))
        loss = model.train_step(parts[distributed.rank()], optimizers)['total']
        logs.append(float(distributed.mean(loss)))
    return model.state_dict(), logs


def test_two_ranks_train_like_one() -> None:
    state, logs = on_rank()
    for of_rank, of_logs in run_ranks(on_rank, 2):
        assert of_logs == pytest.approx(logs, rel=1e-5)
        torch.testing.assert_close(of_rank, state)


LEARNS = dict(type='EMAQuantizer', codebook_size=16, dim=4, decay=0.5)
NOISY = dict(type='GumbelQuantizer', codebook_size=16, dim=4)


@pytest.mark.parametrize('quantizer', [LEARNS, NOISY], ids=lambda q: q['type'])
def test_the_tokenizer_is_frozen_in_value_mode_and_buffers(
    quantizer: dict[str, Any],
) -> None:
    model = make(quantizer)
    before = {k: v.clone() for k, v in model.tokenizer.named_buffers()}
    before |= {k: v.clone() for k, v in model.tokenizer.named_parameters()}
    again = [model.val_step(batch()).logits for _ in range(2)]
    assert torch.equal(*again)
    head = model.head.weight.clone()
    model.train_step(batch(), updates(model))
    after = dict(model.tokenizer.named_buffers())
    after |= dict(model.tokenizer.named_parameters())
    assert all(torch.equal(value, before[key]) for key, value in after.items())
    assert not torch.equal(model.head.weight, head)
    assert model.training and model.frozen_parts == ('tokenizer',)
    assert not any(module.training for module in model.tokenizer.modules())
    assert [k for k, p in model.named_parameters() if p.requires_grad] == [
        'head.weight',
        'head.bias',
    ]


@pytest.mark.parametrize(
    'quantizer', [residual(vq()), product(dict(vq(), dim=2))], ids=['sum', 'pair']
)
def test_sub_tokens_count_as_the_code_that_they_make(
    quantizer: dict[str, Any],
) -> None:
    model = make(quantizer).eval()
    images = batch()
    found = model.val_step(images)
    assert found.quantized.tokens.shape == (6, 8, 8, 2)
    latent = model.tokenizer(images.image).latent
    expected = model.head(latent.mean((2, 3)) / (1 + 1e-6) ** 0.5)
    torch.testing.assert_close(found.logits, expected)


def test_the_layer_starts_small() -> None:
    tokenizer = dict(tiny.vqgan()['tokenizer'])
    model = LinearProbe(tokenizer=tokenizer, classes=1000)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not model.head.bias.any()


@pytest.mark.parametrize('category', [-1, CLASSES])
def test_a_category_that_is_none_of_the_classes(category: int) -> None:
    images = batch()
    images.category[2] = category
    message = f'2 is of category {category}, but the probe has classes=7, categories 0'
    with pytest.raises(ValueError, match=message):
        make().val_step(images)


@pytest.mark.parametrize('classes', [1, 'two'])
def test_one_class_is_refused(classes: Any) -> None:
    with pytest.raises(ValueError, match=f'two classes or more, got {classes!r}'):
        LinearProbe(tokenizer={}, classes=classes)
