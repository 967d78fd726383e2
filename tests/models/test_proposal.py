"""The proposal network: its loss, hidden classes, sub-tokens, and what it refuses."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.models.tiny_proposal import CLASSES, GRID, batch, config, spread
from vq.models.proposal import ProposalNetwork
from vq.models.transformers import FactorisedHead, TokenHead
from vq.registry import MODELS

QUANTIZERS: dict[str, Any] = dict(
    vector=dict(type='VectorQuantizer', codebook_size=32, dim=4),
    residual=dict(
        type='ResidualQuantizer',
        depth=3,
        quantizer=dict(type='VectorQuantizer', codebook_size=8, dim=4),
    ),
    product=dict(
        type='ProductQuantizer',
        groups=2,
        quantizer=dict(type='VectorQuantizer', codebook_size=8, dim=2),
    ),
)


def build(kind: str = 'vector', **changes: Any) -> ProposalNetwork:
    """Return a network over a kind of tokens, with changes."""
    torch.manual_seed(0)
    settings = config() | changes
    settings['tokenizer'] = settings['tokenizer'] | dict(quantizer=QUANTIZERS[kind])
    model: ProposalNetwork = MODELS.build(settings)
    return model


class Alone:
    """An `Update` that back-propagates and moves nothing."""

    def __call__(self, loss: Any, *args: Any) -> Any:
        result = loss(*args)
        result.total.backward()
        return result


@pytest.mark.parametrize(
    ('kind', 'changes', 'sizes'),
    [
        ('vector', {}, (32,)),
        ('vector', dict(tied_head=True), (32,)),
        ('vector', dict(factors=(8, 4)), (8, 4)),
        ('residual', dict(head_depth=1), (8, 8, 8)),
        ('product', dict(classes=0, class_dropout=0.0), (8, 8)),
    ],
)
def test_it_trains_and_samples_each_kind_of_tokens(
    kind: str, changes: dict[str, Any], sizes: tuple[int, ...]
) -> None:
    model, images = build(kind, **changes), batch(4)
    begins_with_zeros = model.transformer.head is not None
    loss = model.loss(images)
    if begins_with_zeros:  # all tokens are equally likely
        expected = sum(math.log(size) for size in sizes)
        assert loss.total.item() == pytest.approx(expected, abs=1e-4)
    model.train_step(images, {'transformer': Alone()})  # type: ignore[arg-type]
    frozen = ('tokenizer', 'decoder', 'pre_decode')
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen)
    spread(model)
    model.eval()
    with torch.no_grad():
        output = model.val_step(images)
        tokens = model.tokens(images)
        rows = model.transformer.rows(tokens)
        category = images.category if model.classes else torch.zeros(4).long()
        told = model.transformer(rows, category)
        assert model.transformer.token_sizes == sizes
        losses = [
            functional.cross_entropy(k.mT, rows[..., j], reduction='none')
            for j, k in enumerate(told)
        ]
        torch.testing.assert_close(output.losses, torch.stack(losses).sum(0))
        ranks = [
            (k > k.gather(-1, rows[..., j, None])).sum(-1) for j, k in enumerate(told)
        ]
        assert torch.equal(output.ranks, torch.stack(ranks, -1))
        half = output.part('completed').quantized.tokens
        assert torch.equal(half[:, : GRID[0] // 2], tokens[:, : GRID[0] // 2])
        made = output.part('generated')
    assert made.image.shape == images.image.shape
    assert made.quantized.tokens.shape == tokens.shape
    assert torch.equal(
        made.quantized.latent, model.tokenizer.tokens_to_latent(made.quantized.tokens)
    )


def test_classes_are_hidden_in_training_alone_and_the_batchs_stay() -> None:
    model, images = build(class_dropout=0.5), batch(64)
    before, seen = images.category.clone(), []
    spread(model)
    model.transformer.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    found = model.loss(images)
    null = seen[0] == CLASSES
    assert torch.equal(seen[0][~null], before[~null]) and 16 < null.sum() < 48
    rows = model.transformer.rows(model.tokens(images))
    logits = model.transformer(rows, seen[0])[0]
    expected = functional.cross_entropy(logits.flatten(0, 1), rows.flatten())
    torch.testing.assert_close(found.total, expected)
    right = (logits.argmax(-1) == rows[..., 0]).float().mean()
    torch.testing.assert_close(found.logs['accuracy'], right)
    model.eval().val_step(images)
    assert torch.equal(images.category, before)
    model.class_dropout = 0.0
    model.train().loss(images)
    assert torch.equal(seen[-1], before)


def test_tokens_of_a_batch_are_taken_and_no_encoder_runs() -> None:
    model, images = build(), batch(3)
    spread(model)
    expected = model.eval().val_step(images).losses
    images.tokens = model.tokenizer.tokenize(images.image)
    images.original_image = images.original_image[:, :, :0, :0]
    assert torch.equal(model.val_step(images).losses, expected)


def test_what_is_given_wrongly_is_told() -> None:
    for changes, words in (
        (dict(classes=-1), 'classes must be a number from 0 on, got -1'),
        (dict(class_dropout=1.0), r'class_dropout must be in \[0, 1\), got 1'),
        (dict(factors=(8, 8)), r'factors=\(8, 8\) make 64 codes, .* \(32,\)'),
    ):
        with pytest.raises(ValueError, match=words):
            build(**changes)
    with pytest.raises(ValueError, match=r'make 512 codes, .* has \(8, 8, 8\)'):
        build('residual', factors=(8, 8, 8))
    with pytest.raises(ValueError, match='a tied head tells one sub-token'):
        build('product', tied_head=True)
    model, images = build(), batch(3)
    images.category[1] = CLASSES
    with pytest.raises(ValueError, match='1.png is of category 3, but .* classes=3'):
        model.loss(images)
    images = batch(3)
    images.tokens = torch.zeros(3, 5, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match=r'lie in 5 x 4 places, .* grid=\(4, 4\)'):
        model.loss(images)


def test_the_head_follows_the_tokens() -> None:
    assert isinstance(build().transformer.head, TokenHead)
    assert build(tied_head=True).transformer.head is None
    head = build('residual', head_depth=2).transformer.head
    assert isinstance(head, FactorisedHead) and len(head.body.blocks) == 2


def test_images_are_scored_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build().eval()
    spread(model)
    whole = model.val_step(batch(5))
    monkeypatch.setattr('vq.models.proposal.SCORED', 2)
    parts = model.val_step(batch(5))
    torch.testing.assert_close(parts.losses, whole.losses)
    assert torch.equal(parts.ranks, whole.ranks)
