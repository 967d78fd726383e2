"""K-means over the first batches begins a codebook, and leaves no other trace."""

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

import tests.integration.noise  # noqa: F401
from tests.ranks import run_ranks
from tests.runs import tiny_trainer, toy_trainer
from vq import distributed
from vq.callbacks import KMeansCallback
from vq.datasets.loader import train_loader
from vq.models.quantizers.kmeans import kmeans

RESIDUAL = (
    ".trainer.model.tokenizer.quantizer:dict(type='ResidualQuantizer', depth=2, "
    "shared=False, quantizer=dict(type='VectorQuantizer', codebook_size=32, dim=4))"
)


def rows(latent: Tensor) -> Tensor:
    return rearrange(latent, 'b d h w -> (b h w) d')


def batches(trainer: Any, number: int) -> list[Any]:
    """Return the first batches of this rank, and those alone."""
    loader = train_loader(trainer.dataset, **trainer.dataloader, seed=trainer.job.seed)
    return [batch for _, batch in zip(range(number), loader, strict=False)]


def latents(trainer: Any, number: int) -> list[Tensor]:
    """Return what comes to the quantizer in each batch, (n, d), in evaluation mode."""
    trainer.model.eval()
    with torch.no_grad():
        parts = [
            rows(trainer.model.tokenizer.encode(batch.image))
            for batch in batches(trainer, number)
        ]
    trainer.model.train()
    return parts


def drawn(parts: list[Tensor], number: int, *, seed: int = 0) -> Tensor:
    """Return `number` rows of each batch, drawn without replacement."""
    generators = [torch.Generator().manual_seed(seed + i) for i in range(len(parts))]
    return torch.cat(
        [
            part[torch.randperm(len(part), generator=generator)[:number]]
            for part, generator in zip(parts, generators, strict=True)
        ]
    )


def test_centres_of_the_first_batches_are_the_codebook(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    everything = drawn(latents(trainer, 3), 256, seed=5)
    assert len(everything) == 3 * 4 * 64 < 64 * 32
    expected, _ = kmeans(everything, 32, rounds=4, seed=5)
    KMeansCallback(batches=3, rounds=4, seed=5).before_run(trainer)
    found = trainer.model.tokenizer.quantizer.codebook.detach()
    torch.testing.assert_close(found, expected)


def test_it_can_begin_with_kmeans_plus_plus(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    everything = drawn(latents(trainer, 2), 512, seed=5)
    expected, _ = kmeans(everything, 32, rounds=2, start='kmeans++', seed=5)
    KMeansCallback(batches=2, rounds=2, start='kmeans++', seed=5).before_run(trainer)
    found = trainer.model.tokenizer.quantizer.codebook.detach()
    torch.testing.assert_close(found, expected)


def test_at_most_64_latents_a_code_are_looked_at(tmp_path: Path) -> None:
    word = '.trainer.model.tokenizer.quantizer.codebook_size:2'
    trainer = tiny_trainer(tmp_path, word)
    expected, counts = kmeans(drawn(latents(trainer, 4), 32), 2)
    assert counts.sum() == 128
    KMeansCallback(batches=4).before_run(trainer)
    found = trainer.model.tokenizer.quantizer.codebook.detach()
    torch.testing.assert_close(found, expected)


def test_a_second_depth_begins_with_what_the_first_leaves(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, RESIDUAL)
    parts = latents(trainer, 4)
    first, _ = kmeans(drawn(parts, 256), 32)
    left = [part - first[torch.cdist(part, first).argmin(1)] for part in parts]
    second, _ = kmeans(drawn(left, 256), 32)
    KMeansCallback(batches=4).before_run(trainer)
    one, other = trainer.model.tokenizer.quantizer.quantizers
    torch.testing.assert_close(one.codebook.detach(), first)
    torch.testing.assert_close(other.codebook.detach(), second, rtol=1e-4, atol=1e-5)
    assert second.norm() < first.norm()


def test_nothing_else_is_changed(tmp_path: Path) -> None:
    noise = '.trainer.model.pre_decode.type::NoisyConnector'
    trainer = tiny_trainer(tmp_path, noise)
    callback = KMeansCallback(batches=2)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    callback.before_run(trainer)
    changed = [
        key
        for key, value in trainer.model.state_dict().items()
        if not torch.equal(value, before[key])
    ]
    assert changed == ['tokenizer.quantizer.codebook']
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert (states[2] == np.random.get_state()[1]).all()
    assert all(module.training for module in trainer.model.modules())
    assert not trainer.model.tokenizer.quantizer._forward_pre_hooks


def test_training_begins_with_the_same_batches(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    class Spy(KMeansCallback):
        def before_train_iter(self, runner: Any, batch: Any) -> None:
            seen.append(batch.ids)

    trainer = tiny_trainer(tmp_path, '.trainer.iters:3')
    trainer.callbacks[:] = [Spy(batches=2)]
    trainer.run()
    assert seen == [batch.ids for batch in batches(trainer, 3)]


def test_a_resumed_run_has_begun_already(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path)
    trainer.iteration = 1
    before = trainer.model.tokenizer.quantizer.codebook.detach().clone()
    KMeansCallback().before_run(trainer)
    assert torch.equal(before, trainer.model.tokenizer.quantizer.codebook)


def test_the_first_training_batch_does_not_begin_it_anew(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, ".trainer.model.tokenizer.quantizer.init:'kmeans'")
    KMeansCallback(batches=2).before_run(trainer)
    quantizer = trainer.model.tokenizer.quantizer
    before = quantizer.codebook.detach().clone()
    trainer.model(batches(trainer, 1)[0].image)
    assert torch.equal(quantizer.codebook.detach(), before)


def test_too_few_latents_begin_a_part(tmp_path: Path, caplog: Any) -> None:
    word = '.trainer.model.tokenizer.quantizer.codebook_size:300'
    trainer = tiny_trainer(tmp_path, word)
    before = trainer.model.tokenizer.quantizer.codebook.detach().clone()
    with caplog.at_level(logging.WARNING):
        KMeansCallback(batches=1).before_run(trainer)
    codes = trainer.model.tokenizer.quantizer.codebook.detach()
    assert torch.equal(codes[256:], before[256:])
    assert (codes[:256] != before[:256]).any(1).all()
    assert '256 latents of 1 batches are too few for the 300 codes' in caplog.text


def begun(folder: Path, words: list[str]) -> list[Any]:
    trainer = tiny_trainer(folder / f'{distributed.rank()}', *words)
    KMeansCallback(batches=3).before_run(trainer)
    state = trainer.model.tokenizer.quantizer.state_dict()
    return [value.numpy() for value in state.values()]


def test_two_ranks_begin_as_one_does(tmp_path: Path) -> None:
    alone = begun(tmp_path, [RESIDUAL])
    of_ranks = run_ranks(begun, 2, tmp_path, [RESIDUAL])
    for codes, one, other in zip(alone, *of_ranks, strict=True):
        np.testing.assert_allclose(codes, one, rtol=1e-4, atol=1e-5)
        assert (one == other).all()


def test_a_quantizer_without_a_table_is_told_at_once(tmp_path: Path) -> None:
    cfg = "dict(type='GumbelQuantizer',codebook_size=8,dim=4,in_dim=4)"
    trainer = tiny_trainer(tmp_path, f'.trainer.model.tokenizer.quantizer:{cfg}')
    with pytest.raises(ValueError, match=r'GumbelQuantizer.*kmeans=None'):
        KMeansCallback().before_run(trainer)
    with pytest.raises(ValueError, match='no quantizer'):
        KMeansCallback().before_run(toy_trainer(tmp_path))


@pytest.mark.parametrize('wrong', [dict(batches=0), dict(rounds=0)])
def test_wrong_arguments_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match='batches and rounds'):
        KMeansCallback(**wrong)
    with pytest.raises(ValueError, match='start must be one of'):
        KMeansCallback(start='first')  # type: ignore[arg-type]
