"""A proposal network's sheets show what its sampler draws, and draw no more."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from tests.models.tiny_proposal import (
    CLASSES,
    DATA,
    batch,
    config,
    trainer,
    validator,
)
from tests.runs import job
from vq.datasets.decoding import read_image
from vq.generation.draws import by_class
from vq.images import to_uint8
from vq.models.proposal import SEED
from vq.models.transformers import uniforms
from vq.runners import Generator, randomness
from vq.types import Batch

SHEET = dict(type='ImagesCallback', interval=1, number=2, pairs=1, height=1)
PARTS = ('reconstruction', 'completed', 'generated')


def cells(path: Path, rows: int) -> Tensor:
    """Cut a sheet of pictures of 8 px: (row, column, 3, 8, 8)."""
    sheet = read_image(path)[:, 2:, 2:].unfold(1, 10, 10)[..., :8]
    sheet = rearrange(sheet[:, :, :-2], 'c r (n w) h -> r n c h w', w=8)
    assert len(sheet) == rows
    return sheet


@torch.no_grad()
def sampled(model: Any, images: Batch) -> Tensor:
    """Return what the guided sampler draws, uint8, (b, 3, 8, 8)."""
    uniform = uniforms(SEED, images.index, 16)[..., None]
    made = model.eval().generate(model.condition(images.category), uniform=uniform)
    return to_uint8(made.image)


def test_training_shows_guided_samples_and_leaves_no_trace(tmp_path: Path) -> None:
    runner = trainer(tmp_path, SHEET)
    seen: list[Batch] = []
    step = runner.model.train_step
    runner.model.train_step = lambda batch, optimizers: (  # type: ignore[assignment]
        seen.append(batch) or step(batch, optimizers)  # type: ignore[func-returns-value, operator]
    )
    runner.run()
    state = randomness.get_state()
    assert runner.model.training
    few = seen[0].select([0, 1])
    found = cells(tmp_path / 'batched_visual' / '1.png', 2)
    assert found.shape[1] == 4
    assert torch.equal(found[:, 3], sampled(runner.model, few))
    assert torch.equal(found[:, 0], few.original_image)
    runner.model.sampling = type(runner.model.sampling)(top_k=20)  # type: ignore[operator]
    assert not torch.equal(found[:, 3], sampled(runner.model, few))

    trainer(tmp_path / 'plain').run()
    plain = randomness.get_state()
    assert torch.equal(state['torch'], plain['torch'])
    assert torch.equal(state['numpy'][1], plain['numpy'][1])


def test_validation_samples_only_what_the_sheet_shows(tmp_path: Path) -> None:
    runner = validator(tmp_path, callbacks=[SHEET])
    drawn: Counter[int] = Counter()
    generate = runner.model.generate

    def counted(condition: Tensor, **options: Any) -> Any:
        drawn[len(condition)] += 1
        return generate(condition, **options)  # type: ignore[operator]

    runner.model.generate = counted  # type: ignore[assignment]
    runner.run()
    assert drawn == {1: 4}  # two images, completed and generated
    found = cells(tmp_path / 'batched_visual' / 'validation.png', 2)
    runner.model.generate = generate
    for row, index in zip(found, (0, 3), strict=True):
        sample: Any = runner.dataset[index]
        assert torch.equal(row[0], sample.original_image)
        one = batch(1)
        one.index[:], one.category[:] = index, sample.category
        assert torch.equal(row[3], sampled(runner.model, one)[0])


def test_single_pictures_of_one_kind_cost_no_other(tmp_path: Path) -> None:
    visual = dict(type='VisualCallback', pattern='generated')
    runner = validator(tmp_path, callbacks=[visual])
    made: list[bool] = []
    generate = runner.model.generate

    def noted(condition: Tensor, **options: Any) -> Any:
        made.append('known' in options)
        return generate(condition, **options)  # type: ignore[operator]

    runner.model.generate = noted  # type: ignore[assignment]
    runner.run()
    assert made == [False] * 3
    names = [path.name for path in (tmp_path / 'unbatched_visual').iterdir()]
    assert sorted(names) == [f'generated_{i:08d}.png' for i in range(7)]


def test_validation_draws_what_vq_generate_does(tmp_path: Path) -> None:
    visual = dict(type='VisualCallback', pattern='generated')
    runner = validator(tmp_path, callbacks=[visual])
    runner.run()
    generator = Generator(
        job=job(tmp_path),
        model=config(),
        strategy=dict(type='DDPStrategy'),
        batch_size=5,
    )
    generator.model.load_state_dict(runner.model.state_dict())
    generator.begin()
    # The data set's picture i is of class i mod 3, too.
    draws = by_class(range(CLASSES), DATA['length'])
    sampling = generator.model.sampling
    drawn = generator.draw(draws, sampling=sampling, seed=SEED)
    for i, picture in enumerate(drawn):
        path = tmp_path / 'unbatched_visual' / f'generated_{i:08d}.png'
        assert torch.equal(read_image(path), picture)


def test_of_tokens_there_is_no_original(tmp_path: Path) -> None:
    runner = validator(tmp_path, callbacks=[SHEET])
    images = batch(2)
    with torch.no_grad():
        tokens = runner.model.tokens(images)  # type: ignore[operator]
    images.index = torch.tensor([0, 3])
    stored = Batch(
        torch.empty(2, 3, 0, 0, dtype=torch.uint8),
        images.category,
        images.index,
        images.ids,
        tokens=tokens,
    )
    callback = runner.callbacks[0]
    with torch.no_grad():
        output = runner.model.val_step(stored)  # type: ignore[operator]
    callback.after_val_iter(runner, stored, output)
    callback.after_val(runner, {})
    found = cells(tmp_path / 'batched_visual' / 'validation.png', 2)
    assert found.shape[1] == 3
    assert torch.equal(found[:, 0], to_uint8(output.part('reconstruction').image))
