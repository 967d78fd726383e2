"""Data loaders: torch's DataLoader with our samplers, and without side effects."""

from collections.abc import Collection
from typing import cast

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from vq import distributed
from vq.datasets.base import ImageDataset, collate
from vq.datasets.decoding import cv2
from vq.datasets.sampler import BlockSampler, TrainSampler
from vq.types import Batch, SampleKey


def train_loader(
    dataset: ImageDataset,
    *,
    batch_size: int,
    num_workers: int,
    seed: int,
    start: int = 0,
) -> 'DataLoader[Batch]':
    """Return the endless, shuffled batches of this rank; see `TrainSampler`.

    Args:
        dataset: What to read.
        batch_size: Samples a batch, of all ranks together.
        num_workers: Reading processes of this rank; 0 reads in this process.
        seed: Seed of order and augmentation.
        start: Number of batches to leave out; they are not read.

    Raises:
        ValueError: The ranks cannot share the batch evenly.
    """
    sampler = TrainSampler(
        len(dataset),
        batch_size=batch_size,
        seed=seed,
        start=start,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
    )
    return _loader(dataset, sampler, num_workers)


def val_loader(
    dataset: ImageDataset,
    *,
    batch_size: int,
    num_workers: int,
    block_size: int,
    skip: Collection[int] = (),
) -> 'DataLoader[Batch]':
    """Return this rank's batches of one pass over a data set; see `BlockSampler`.

    Args:
        dataset: What to read.
        batch_size: Samples a batch, of all ranks together (rounded down to a multiple).
        num_workers: Reading processes of this rank; 0 reads in this process.
        block_size: Consecutive samples that stay on one rank.
        skip: Blocks to leave out; they are not read.
    """
    sampler = BlockSampler(
        len(dataset),
        batch_size=batch_size,
        block_size=block_size,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        skip=skip,
    )
    return _loader(dataset, sampler, num_workers)


def _loader(
    dataset: ImageDataset, sampler: Sampler[list[SampleKey]], num_workers: int
) -> 'DataLoader[Batch]':
    return DataLoader(
        cast('Dataset[Batch]', dataset),  # which `collate` makes of its samples
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=distributed.device().type == 'cuda',
        persistent_workers=num_workers > 0,
        worker_init_fn=_init_worker,
        # Its own: without one, every pass draws a number from torch's global stream.
        generator=torch.Generator(),
    )


def _init_worker(worker: int) -> None:
    """Keep workers, one a core already, from starting threads of their own."""
    torch.set_num_threads(1)
    if cv2 is not None:
        cv2.setNumThreads(1)
