"""Sheets: of each code, the patches that it stands for, in rows, as one picture."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange

from vq import images
from vq.datasets.base import ImageDataset
from vq.datasets.tokens import TokenDataset
from vq.patches.choosing import Chooser, Plan
from vq.patches.counting import Tokens, walk
from vq.patches.reading import PatchDataset
from vq.patches.sources import check_ids, use_transforms
from vq.patches.spill import Spill
from vq.pretrained.progress import Progress

PADDING = 4  # white pixels around a patch
UNFINISHED = '.unfinished'  # folder of what an interrupted run has read


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What sheets depend on, beside tokens and images.

    Attributes:
        patches: Most patches on a sheet.
        columns: Patches a row.
        scale: Side of a shown pixel; see `Enlarge`.
        seed: Which patches are drawn.
        sub_token: Which token of a position is shown; 0 where there is one.
    """

    patches: int = 36
    columns: int = 6
    scale: int = 2
    seed: int = 0
    sub_token: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            least = 0 if field.name in ('seed', 'sub_token') else 1
            if (value := getattr(self, field.name)) < least:
                raise ValueError(f'{field.name} must be >= {least}, got {value}')


def sheet_path(out: Path, code: int) -> Path:
    """Return the picture of a code."""
    return out / f'{code}.png'


def draw(
    codes: Tokens,
    *,
    store: TokenDataset,
    dataset: ImageDataset,
    out: Path,
    settings: Settings,
    num_workers: int,
) -> None:
    """Write the sheets of some codes; what an interrupted run has read is not read.

    Args:
        codes: Ascending; each occurs, and has no sheet yet.
        store: The tokens.
        dataset: The images that they were made of; its transforms are replaced.
        out: Folder of the sheets.
        settings: What sheets depend on.
        num_workers: Processes that read images; 0 reads in this one.

    Raises:
        ValueError: An image is not what was tokenized.
        OSError: The disk has no room for the patches.
    """
    unfinished = out / UNFINISHED
    plan = Spill.plan_in(unfinished)
    if plan is None or not np.isin(codes, plan.codes).all():
        shutil.rmtree(unfinished, ignore_errors=True)
        plan = _plan(codes, store, settings)
    patches = PatchDataset(
        dataset,
        plan=plan,
        grid=store.meta.grid,
        repeats=use_transforms(dataset, store, scale=settings.scale),
    )
    check_ids(store, dataset, patches.images)
    with Spill(unfinished, plan=plan, shape=patches.shape) as spill:
        _read(patches, spill, num_workers=num_workers)
        _write(spill, out, columns=settings.columns)
        spill.remove()


def _plan(codes: Tokens, store: TokenDataset, settings: Settings) -> Plan:
    chooser = Chooser(codes, patches=settings.patches, seed=settings.seed)
    label = 'choosing'
    for shard in walk(store, sub_token=settings.sub_token, label=label):
        chooser.add(*shard)
    return chooser.result()


def _read(patches: PatchDataset, spill: Spill, *, num_workers: int) -> None:
    progress = Progress(
        label='reading',
        total=len(patches),
        done=spill.read,
        describe=lambda number: f'{number:,.0f} images',
    )
    batches = patches.batches(start=spill.read, num_workers=num_workers)
    for read, (rows, pixels) in batches:
        count = read - spill.read
        spill.write(rows.numpy(), pixels.numpy(), read=read)
        progress.add(count)
    progress.close()


def _write(spill: Spill, out: Path, *, columns: int) -> None:
    codes = spill.plan.codes.tolist()
    progress = Progress(
        label='writing',
        total=len(codes),
        describe=lambda number: f'{number:,.0f} sheets',
    )
    for number, code in enumerate(codes):
        path = sheet_path(out, code)
        if not path.exists():
            pixels = torch.from_numpy(spill.patches(number))
            patches = rearrange(pixels, 'm h w c -> m c h w')
            sheet = images.grid(patches, columns=columns, padding=PADDING)
            aside = path.with_name(f'.{code}.tmp.png')
            images.save_png(sheet, aside)
            aside.rename(path)
        progress.add(1)
    progress.close()
