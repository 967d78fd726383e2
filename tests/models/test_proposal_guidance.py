"""Guided samples of a batch are those of its images one by one; none mixes them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny_proposal import batch, network
from vq.models.proposal import SEED, ProposalNetwork
from vq.models.transformers import uniforms

SCALE, TOP = 4.0, 20  # of `network`
PARTS = ('reconstruction', 'completed', 'generated')


@torch.no_grad()
def one_by_one(model: ProposalNetwork, kept: Tensor, category: int, i: int) -> Tensor:
    """Draw an image's 16 tokens with guidance, the whole row anew for each: (16,)."""
    numbers = uniforms(SEED, [i], 16)[0]
    rows = kept[None, :, None].clone()
    for place in range(len(kept), 16):
        blank = torch.zeros(1, 16 - place, 1, dtype=torch.int64)
        padded = torch.cat([rows, blank], dim=1)
        told = [
            model.transformer(padded, model.transformer.condition(torch.tensor([c])))
            for c in (category, model.transformer.null)
        ]
        own, null = (logits[0][0, place] for logits in told)
        mixed = null + SCALE * (own - null)
        likeliest = mixed.argsort(descending=True, stable=True)[:TOP]
        sums = mixed[likeliest].softmax(0).double().cumsum(0)
        chosen = likeliest[int((sums <= numbers[place] * sums[-1]).sum())]
        rows = torch.cat([rows, chosen.view(1, 1, 1)], dim=1)
    return rows[0, :, 0]


@pytest.mark.parametrize('number', [3, 4])
def test_a_guided_batch_is_its_images_one_by_one(number: int) -> None:
    model, images = network(), batch(number)
    with torch.no_grad():
        output = model.val_step(images)
        tokens = output.quantized.tokens.flatten(1)
        for i in range(number):
            category, index = int(images.category[i]), int(images.index[i])
            generated = one_by_one(model, tokens[i, :0], category, index)
            completed = one_by_one(model, tokens[i, :8], category, index)
            drawn = {kind: output.part(kind).quantized.tokens[i] for kind in PARTS}
            assert drawn['generated'].flatten().tolist() == generated.tolist()
            assert drawn['completed'].flatten().tolist() == completed.tolist()
            assert drawn['reconstruction'].flatten().equal(tokens[i])

            alone = model.val_step(images.select([i]))
            torch.testing.assert_close(alone.losses[0], output.losses[i])
            assert alone.ranks[0].equal(output.ranks[i])
            for kind in PARTS:
                assert alone.part(kind).quantized.tokens[0].equal(drawn[kind])
                torch.testing.assert_close(
                    alone.part(kind).image[0],
                    output.part(kind).image[i],
                    rtol=0,
                    atol=1e-5,
                )


def parts(model: Any) -> dict[str, Tensor]:
    with torch.no_grad():
        output = model.val_step(batch(3))
        return {kind: output.part(kind).quantized.tokens for kind in PARTS}


def test_the_true_half_is_kept_and_guidance_changes_the_rest() -> None:
    guided, plain = parts(network()), parts(network(top_k=TOP))
    for found in (guided, plain):
        half = found['reconstruction'][:, :2]
        assert found['completed'][:, :2].equal(half)
        assert not found['generated'][:, :2].equal(half)
    for kind in ('completed', 'generated'):
        assert not guided[kind].equal(plain[kind])


def test_teacher_forcing_knows_no_guidance() -> None:
    with torch.no_grad():
        guided, plain = (m.val_step(batch(3)) for m in (network(), network(top_k=TOP)))
    assert guided.losses.equal(plain.losses) and guided.ranks.equal(plain.ranks)
