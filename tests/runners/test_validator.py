"""Metrics are the same for any batch size, any number of ranks, with broken images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.log import Records
from tests.ranks import run_ranks
from tests.runs import job, tiny_validator
from vq.runners import Validator

SPOTTY = 'dict(type="SpottyDataset",length=11,broken=(0,5))'


def metrics(folder: Path, *overrides: str) -> dict[str, float]:
    """Validate the tiny VQGAN with its random weights, those of seed 1."""
    return tiny_validator(folder, '.validator.callbacks:[]', *overrides).run()


def psnr_by_hand() -> float:
    """Compute the PSNR image by image, without loader and metrics."""
    validator = tiny_validator(Path('unused'))
    psnrs = []
    for index in range(11):
        image = validator.dataset[index].original_image[None]  # type: ignore[union-attr]
        with torch.no_grad():
            output = validator.model.eval()(image / 127.5 - 1).image
        pixels = ((output.double() + 1) * 127.5).clamp(0, 255).round()
        psnrs.append(10 * torch.log10(255**2 / (pixels - image).square().mean()))
    return float(torch.stack(psnrs).mean())


@pytest.mark.parametrize('batch_size', [1, 4, 11, 100])
def test_metrics_do_not_depend_on_the_batch_size(
    tmp_path: Path, batch_size: int
) -> None:
    found = metrics(tmp_path, f'.validator.dataloader.batch_size:{batch_size}')
    reference = metrics(tmp_path, '.validator.dataloader.batch_size:3')
    assert found == pytest.approx(reference, rel=1e-5)
    assert list(found)[:3] == ['l1', 'psnr', 'ssim']
    assert {'codebook/usage', 'codebook/perplexity'} < set(found)


def test_psnr_equals_a_computation_by_hand(tmp_path: Path) -> None:
    assert metrics(tmp_path)['psnr'] == pytest.approx(psnr_by_hand(), rel=1e-4)


def on_ranks(folder: Path, *overrides: str) -> dict[str, float]:
    """Validate on this rank."""
    return metrics(folder, *overrides)


@pytest.mark.parametrize('world_size', [2, 3])
def test_ranks_agree_with_one(tmp_path: Path, world_size: int) -> None:
    results = run_ranks(on_ranks, world_size, tmp_path)
    assert all(result == results[0] for result in results)
    assert results[0] == pytest.approx(metrics(tmp_path), rel=1e-5)


def test_broken_images_are_left_out_and_named(tmp_path: Path, log: Records) -> None:
    found = metrics(
        tmp_path,
        '.validator.dataloader.batch_size:1',
        f'.validator.dataset:{SPOTTY}',
    )
    whole = metrics(
        tmp_path,
        '.validator.dataloader.batch_size:4',
        f'.validator.dataset:{SPOTTY}',
    )
    assert found == pytest.approx(whole, rel=1e-5)
    assert log.warnings == [
        f'unreadable image: 0000000{i}: it is torn' for i in (0, 5, 0, 5)
    ]


def test_it_runs_twice_with_the_same_result_and_in_evaluation_mode(
    tmp_path: Path,
) -> None:
    validator = tiny_validator(tmp_path)
    first = validator.run()
    validator.model.train()
    assert validator.run() == first
    assert not validator.model.training


def test_callbacks_get_the_results(tmp_path: Path) -> None:
    validator: Any = tiny_validator(tmp_path)
    seen: list[Any] = []
    callback = validator.callbacks[0]
    callback.after_val_iter = lambda runner, batch, output: seen.append(
        (runner.iteration, runner.total_batches, batch.ids)
    )
    callback.after_val = lambda runner, results: seen.append(results)
    results = validator.run()
    ids = [f'{i:08d}' for i in range(11)]
    batches = [(i + 1, 3, ids[4 * i : 4 * i + 4]) for i in range(3)]
    assert seen == [*batches, results]


def test_metrics_may_be_none(tmp_path: Path) -> None:
    validator = Validator(
        job=job(tmp_path),
        model=dict(type='Toy'),
        dataset=dict(type='SpottyDataset'),
        dataloader=dict(batch_size=2, num_workers=0),
        strategy=dict(type='DDPStrategy'),
    )
    assert validator.run() == {}


def test_clips_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        frame = Image.new('RGB', (16, 16), (number * 60, 0, 0))
        (tmp_path / 'a').mkdir(exist_ok=True)
        frame.save(tmp_path / 'a' / f'{number}.png')
    clips = 'dict(type="ClipDataset",data_root="%s",frames=%d)'
    with pytest.raises(ValueError, match="clips of 2 frames.*data set's frames=1"):
        metrics(tmp_path, f'.validator.dataset:{clips % (tmp_path, 2)}')
    found = metrics(tmp_path, f'.validator.dataset:{clips % (tmp_path, 1)}')
    same = f'dict(type="FolderDataset",data_root="{tmp_path}/a")'
    assert found == metrics(tmp_path, f'.validator.dataset:{same}')
