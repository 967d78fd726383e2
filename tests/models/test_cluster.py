"""Cluster: by gradients or by counting, a codebook for a frozen encoder's features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

import tests.models.patch_encoder  # noqa: F401
from tests.models.tiny import Step, Steps, batch
from tests.ranks import run_ranks
from tests.runs import job
from vq import distributed
from vq.config import load
from vq.datasets.loader import train_loader
from vq.datasets.tokens import TokenDataset
from vq.logs import read_json_lines
from vq.models.quantizers.kmeans import kmeans
from vq.registry import MODELS, RUNNERS
from vq.runners import Tokenizer, Trainer

TINY = Path(__file__).parents[1] / 'integration' / 'tiny_cluster.py'
QUANTIZER = '.trainer.model.tokenizer.quantizer'
COUNTING = [
    f"{QUANTIZER}:dict(type='KMeansQuantizer', codebook_size=16, dim=6, reassign=0.0)",
    '.trainer.optimizers.generator:None',
]
WAYS = {'by gradients': [], 'by counting': COUNTING}
both = pytest.mark.parametrize('words', WAYS.values(), ids=WAYS)


def trainer(folder: Path, *words: str) -> Trainer:
    config = load(TINY, overrides=list(words))
    return RUNNERS.build(config.trainer, job=job(folder))  # type: ignore[no-any-return]


def model(*words: str) -> Any:
    return MODELS.build(load(TINY, overrides=list(words)).trainer.model)


def latent_rows(one: Any, image: Tensor) -> Tensor:
    return rearrange(one.tokenizer.encoder(image), 'b d h w -> (b h w) d')


def test_a_step_by_gradients_equals_the_formula() -> None:
    one, images = model(f'{QUANTIZER}.decay:0.5'), batch(3).image
    rows, codebook = latent_rows(one, images), one.tokenizer.quantizer.codebook
    before = codebook.detach().clone()
    angles = functional.normalize(rows, dim=-1) @ functional.normalize(before, dim=-1).T
    tokens = angles.argmax(1)
    squares = (rows - before[tokens]).square()
    hits = tokens.bincount(minlength=16)
    sums = torch.zeros(16, 6).index_add(0, tokens, before[tokens] - rows)
    share = 0.5 * hits / len(rows)  # a running mean that began at 0
    alpha = torch.exp(-10 * 16 * share / 0.5 - 1e-3)
    anchors = rows[angles.argmax(0)]
    expected = (
        before + alpha[:, None] * (anchors - before) - 0.5 * sums / rows.numel() * 2
    )
    steps = Steps(generator=Step(torch.optim.SGD([codebook], 0.5)))
    logs = one.train_step(batch(3), steps)
    torch.testing.assert_close(codebook.detach(), expected)
    torch.testing.assert_close(logs['codebook_loss'], squares.mean())
    torch.testing.assert_close(logs['inertia'], squares.sum(1).mean())
    assert logs['total'] == logs['codebook_loss']


def test_a_run_by_counting_equals_scikit_learn(tmp_path: Path) -> None:
    from sklearn.cluster import MiniBatchKMeans  # not at the top: ranks import that

    run = trainer(tmp_path, *COUNTING)
    loader = train_loader(run.dataset, **run.dataloader, seed=run.job.seed)
    batches = [b.image for _, b in zip(range(6), loader, strict=False)]
    parts = [latent_rows(run.model, image) for image in batches]
    start, _ = kmeans(parts[0], 16, rounds=0, start='kmeans++')
    peer = MiniBatchKMeans(16, init=start.numpy(), n_init=1, reassignment_ratio=0)
    inertia = []
    for part in parts:
        centres = getattr(peer, 'cluster_centers_', start.numpy())
        distances = torch.cdist(part, torch.from_numpy(centres.copy()))
        inertia.append(float(distances.amin(1).square().mean()))
        peer.partial_fit(part.numpy())
    run.run()
    quantizer: Any = run.model.tokenizer.quantizer
    found = quantizer.codebook.detach().numpy()
    np.testing.assert_allclose(found, peer.cluster_centers_, rtol=1e-4, atol=1e-5)
    assert quantizer.counts.tolist() == peer._counts.tolist()
    scalars = read_json_lines(tmp_path / 'scalars.jsonl')
    assert [s['inertia'] for s in scalars] == pytest.approx(inertia, rel=1e-4)


def trained(folder: Path, words: list[str]) -> dict[str, Any]:
    """Train; return what a checkpoint holds of the model."""
    run = trainer(folder / f'{distributed.world_size()}', *words)
    run.run()
    return {k: v.numpy().copy() for k, v in run.model.state_dict().items()}


def trained_in_both_ways(folder: Path) -> list[dict[str, Any]]:
    return [trained(folder / way, words) for way, words in WAYS.items()]


def test_two_ranks_learn_as_one_does(tmp_path: Path) -> None:
    of_ranks = run_ranks(trained_in_both_ways, 2, tmp_path)
    for alone, one, other in zip(
        trained_in_both_ways(tmp_path), *of_ranks, strict=True
    ):
        for key, value in alone.items():
            np.testing.assert_allclose(one[key], value, rtol=1e-3, atol=1e-4)
            assert (one[key] == other[key]).all()


@both
def test_a_resumed_run_ends_like_one_that_was_not_stopped(
    tmp_path: Path, words: list[str]
) -> None:
    whole = trained(tmp_path, words)
    again = trainer(tmp_path / 'again', *words)
    again.resume(tmp_path / '1' / 'checkpoints' / 'iter_3')
    again.run()
    found = again.model.state_dict()
    assert {k: v.tolist() for k, v in whole.items()} == {
        k: v.tolist() for k, v in found.items()
    }
    assert {key.rpartition('.')[0] for key in whole} == {'tokenizer.quantizer'}


def test_validation_compares_with_the_encoders_features(tmp_path: Path) -> None:
    config = load(TINY, overrides=[])
    runner = RUNNERS.build(config.validator, job=job(tmp_path))
    images = torch.stack([runner.dataset[i].original_image for i in range(11)])
    rows = latent_rows(runner.model, images / 127.5 - 1)
    codes = runner.model.tokenizer.quantizer.codebook.detach()
    nearest = functional.normalize(rows) @ functional.normalize(codes).T
    tokens = nearest.argmax(1)
    results = runner.run()
    inertia = float((rows - codes[tokens]).square().sum(1).mean())
    assert results['inertia'] == pytest.approx(inertia, rel=1e-5)
    assert results['codebook/usage'] == len(tokens.unique()) / 16


def test_on_the_sphere_features_and_target_are_of_length_1() -> None:
    one = model(*COUNTING, f'{QUANTIZER}.distance:"cosine"')
    one.train_step(batch(4), Steps())
    output = one.eval().val_step(batch(2))
    expected = functional.normalize(one.tokenizer.encoder(batch(2).image), dim=1)
    torch.testing.assert_close(output.target, expected)
    lengths = output.features.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


@both
def test_it_can_only_tokenize(tmp_path: Path, words: list[str]) -> None:
    words = [word.replace('.trainer.model', '.validator.model') for word in words]
    words = [
        *words,
        '.validator.type::VQITRunnerRegistry.Tokenizer',
        '.validator.callbacks:[dict(type="TokenCallback",block_size=2)]',
    ]
    runner = RUNNERS.build(load(TINY, overrides=words).validator, job=job(tmp_path))
    assert type(runner) is Tokenizer and runner.run() == {}
    written = TokenDataset(tmp_path / 'tokens')
    images = torch.stack([runner.dataset[i].original_image for i in range(11)])
    rows = latent_rows(runner.model, images / 127.5 - 1)
    codes = runner.model.tokenizer.quantizer.codebook.detach()
    if runner.model.tokenizer.quantizer.distance == 'cosine':
        rows, codes = (functional.normalize(each) for each in (rows, codes))
    distances = torch.cdist(rows, codes)
    tokens = rearrange(distances.argmin(1), '(b h w) -> b h w', b=11, h=4)
    assert [written[i][0].tolist() for i in range(11)] == tokens.tolist()


def test_what_does_not_fit_the_quantizer_is_told() -> None:
    with pytest.raises(ValueError, match=r'CVQuantizer has .*codebook_loss.*add opt'):
        model().train_step(batch(), Steps())
    counting = model(*COUNTING)
    codebook = counting.tokenizer.quantizer.codebook
    steps = Steps(generator=Step(torch.optim.SGD([codebook], 0.1)))
    with pytest.raises(ValueError, match=r'KMeansQuantizer has no losses.*=None'):
        counting.train_step(batch(4), steps)
