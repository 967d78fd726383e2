"""Sheets show originals beside reconstructions; drawing leaves no trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from tests.ranks import run_ranks
from tests.runners.nets import distance, weights
from tests.runs import tiny_validator, toy_trainer
from vq import checkpoints
from vq.callbacks import VisualCallback
from vq.datasets.decoding import read_image
from vq.pictures import KINDS
from vq.runners import Trainer, randomness

IMAGES = dict(type='ImagesCallback', interval=2, number=3, pairs=2, height=1)
LOADER = dict(batch_size=5, num_workers=0)


def pictures(sheet: Tensor, size: int, columns: int) -> Tensor:
    """Cut a sheet with 2 pixels of padding: (n, 3, size, width)."""
    assert (sheet[:, :2] == 255).all() and (sheet[:, :, :2] == 255).all()
    inner = sheet[:, 2:, 2:]
    tiles = rearrange(inner, 'c (r h) (n w) -> (r n) c h w', n=columns, h=size + 2)
    assert (tiles[..., size:, :] == 255).all() and (tiles[..., -2:] == 255).all()
    return tiles[..., :size, :-2]


def expected_pairs(model: Any, originals: Tensor) -> Tensor:
    """Return originals beside what the model makes of them, (n, 3, h, 2 w)."""
    with torch.no_grad():
        output = model(originals / 127.5 - 1).image
    pixels = ((output + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    return torch.cat([originals, pixels], dim=3)


def test_sheets_of_training_show_the_weights_of_that_iteration(tmp_path: Path) -> None:
    batches: list[Tensor] = []
    callbacks = [IMAGES, dict(type='CheckpointCallback', interval=1)]
    trainer = toy_trainer(tmp_path, dataloader=LOADER, callbacks=callbacks)
    trainer.callbacks[1].before_train_iter = (  # type: ignore[method-assign]
        lambda _, batch: batches.append(batch.original_image)
    )
    trainer.run()
    drawn = sorted(p.name for p in (tmp_path / 'batched_visual').iterdir())
    assert drawn == ['2.png', '4.png']
    for iteration in (2, 4):
        folder = trainer.checkpoints_root / f'iter_{iteration}'
        model = toy_trainer(tmp_path / 'x').model.eval()
        model.load_state_dict(checkpoints.read_weights([folder]))
        sheet = read_image(tmp_path / 'batched_visual' / f'{iteration}.png')
        tiles = pictures(sheet, 6, 2)
        expected = expected_pairs(model, batches[iteration - 1][:3])
        assert torch.equal(tiles[:3], expected)
        assert (tiles[3:] == 255).all()


def traces(folder: Path, callbacks: list[Any]) -> tuple[Trainer, Any]:
    """Train; return the trainer, and the generators' states at the end."""
    trainer = toy_trainer(folder, dataloader=LOADER, callbacks=callbacks)
    trainer.run()
    return trainer, randomness.get_state()


def test_drawing_leaves_weights_buffers_and_randomness_alone(tmp_path: Path) -> None:
    plain, state = traces(tmp_path / 'plain', [])
    drawing, other = traces(tmp_path / 'drawing', [IMAGES | dict(interval=1)])
    assert distance(weights(plain.model), weights(drawing.model)) == 0
    assert 'norm.running_mean' in weights(plain.model)
    assert str(state['python']) == str(other['python'])
    assert torch.equal(state['torch'], other['torch'])
    assert torch.equal(state['numpy'][1], other['numpy'][1])
    assert drawing.model.training


def test_sheets_go_to_tensorboard_too(tmp_path: Path) -> None:
    log = dict(type='LogCallback')
    traces(tmp_path, [log, IMAGES])
    folder = str(tmp_path / 'tensorboard')
    events = EventAccumulator(folder, size_guidance={'images': 0}).Reload()
    found = events.Images('train/reconstruction')
    assert [event.step for event in found] == [2, 4]
    sheet = read_image(tmp_path / 'batched_visual' / '2.png')
    assert (found[0].height, found[0].width) == tuple(sheet.shape[1:])


CALLBACKS = '[dict(type="ImagesCallback", number=4, pairs=2, height=40)]'


def validate(folder: Path) -> None:
    """Validate 11 images of 16 px."""
    tiny_validator(folder, f'.validator.callbacks:{CALLBACKS}').run()


def drawn(folder: Path) -> Tensor:
    """Return the sheet of a validation."""
    return read_image(folder / 'batched_visual' / 'validation.png')


def test_the_sheet_of_validation_is_spread_over_the_data_set(tmp_path: Path) -> None:
    validate(tmp_path)
    validator = tiny_validator(tmp_path / 'x')
    samples: list[Any] = [validator.dataset[i] for i in (0, 2, 5, 8)]
    originals = torch.stack([sample.original_image for sample in samples])
    expected = expected_pairs(validator.model, originals)
    found = pictures(
        drawn(tmp_path), 32, 2
    )  # enlarged twice, to 32 of at most 40 pixels
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        difference = found[..., y::2, x::2].int() - expected.int()
        assert difference.abs().max() <= 1  # sums in another order


def test_two_ranks_draw_the_sheet_of_one(tmp_path: Path) -> None:
    validate(tmp_path / 'one')
    run_ranks(validate, 2, tmp_path / 'two')
    one, two = drawn(tmp_path / 'one'), drawn(tmp_path / 'two')
    assert (one.int() - two.int()).abs().max() <= 1


def test_single_pictures_are_saved_by_kind_and_name(tmp_path: Path) -> None:
    visual = '[dict(type="VisualCallback",pattern="im.*")]'
    validator = tiny_validator(tmp_path, f'.validator.callbacks:{visual}')
    validator.dataset.id = lambda i: f'cat.s/{i}.tar.jpg'  # type: ignore[method-assign]
    validator.run()
    folder = tmp_path / 'unbatched_visual'
    names = [f'image_cat.s-{i}.tar.png' for i in range(11)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    sample: Any = validator.dataset[7]
    assert torch.equal(read_image(folder / names[7]), sample.original_image)


@pytest.mark.parametrize(
    ('pattern', 'kinds'),
    [
        ('image', ['image']),
        ('reconstruction', ['reconstruction']),
        ('.*', [*KINDS]),
        ('.*ed', ['completed', 'generated']),
        ('image|reconstruction', ['image', 'reconstruction']),
    ],
)
def test_patterns_match_kinds_fully(pattern: str, kinds: list[str]) -> None:
    assert VisualCallback(pattern=pattern)._kinds == kinds


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="--visual 'imag' matches none of"):
        VisualCallback(pattern='imag')
