"""Tokens drawn: uniform, by frequencies, from (seed, i) alone."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vq.editing.priors import frequent, uniform


def of(images: Tensor):
    """Return what `frequent` reads."""
    return lambda index, rng: images[index]


def test_uniform_tokens_are_numpys_of_seed_and_image() -> None:
    tokens = uniform(3, grid=(2, 5), token_sizes=(7,), seed=4)
    expected = [
        np.random.default_rng((4, i)).integers(7, size=(2, 5)) for i in range(3)
    ]
    assert tokens.tolist() == np.stack(expected).tolist()
    more = uniform(5, grid=(2, 5), token_sizes=(7,), seed=4)
    assert torch.equal(more[:3], tokens)
    assert not torch.equal(uniform(3, grid=(2, 5), token_sizes=(7,), seed=5), tokens)


def test_all_codes_are_drawn() -> None:
    tokens = uniform(8, grid=(8, 8), token_sizes=(3, 5), seed=0)
    assert tokens.shape == (8, 8, 8, 2) and tokens.dtype == torch.int64
    for part, size in zip(tokens.unbind(-1), (3, 5), strict=True):
        counts = torch.bincount(part.flatten(), minlength=size)
        assert len(counts) == size
        assert (counts - 512 / size).abs().max() < 60


def test_where_all_images_agree_each_place_has_its_code() -> None:
    image = torch.randint(99, (3, 4, 2))
    images = torch.stack([image] * 5)
    drawn = frequent(of(images), 5, 6, grid=(3, 4), seed=0, per_position=True)
    assert torch.equal(drawn, torch.stack([image] * 6))


def test_a_store_of_one_code_gives_that_code_anywhere() -> None:
    images = torch.full((2, 3, 4), 7)
    drawn = frequent(of(images), 2, 3, grid=(5, 6), seed=0, per_position=False)
    assert torch.equal(drawn, torch.full((3, 5, 6), 7))


def test_frequencies_are_those_of_the_images() -> None:
    images = torch.tensor([[[0, 0], [0, 1]], [[0, 0], [2, 1]]])
    drawn = frequent(of(images), 2, 40, grid=(5, 5), seed=1, per_position=False)
    shares = torch.bincount(drawn.flatten(), minlength=3) / drawn.numel()
    assert torch.allclose(shares, torch.tensor([5, 2, 1]) / 8, atol=0.05)
    again = frequent(of(images), 2, 41, grid=(5, 5), seed=1, per_position=False)
    assert torch.equal(again[:40], drawn)


def test_sub_tokens_of_a_position_stay_together() -> None:
    images = torch.randint(50, (3, 2, 2, 2))
    drawn = frequent(of(images), 3, 2, grid=(4, 4), seed=0, per_position=False)
    known = {tuple(pair) for pair in images.reshape(-1, 2).tolist()}
    assert {tuple(pair) for pair in drawn.reshape(-1, 2).tolist()} <= known


def test_frequencies_of_places_need_the_same_places() -> None:
    with pytest.raises(ValueError, match='2 x 2 tokens, and 3 x 3 are asked for'):
        frequent(of(torch.zeros(1, 2, 2)), 1, 1, grid=(3, 3), seed=0, per_position=True)
