"""A tiny proposal network, its frozen parts' file, and a token store for it."""

from pathlib import Path
from typing import Any

import torch

from tests.runs import job, tiny
from vq.checkpoints import only, state_hash
from vq.checkpoints.files import write_safetensors
from vq.datasets import TokenDataset, TokenMeta, TokenWriter
from vq.registry import MODELS, RUNNERS
from vq.runners import Trainer, Validator

GRID = (8, 8)
FROZEN = ('tokenizer', 'pre_decode', 'decoder')
IMAGES = dict(type='SyntheticDataset', length=10, size=16, transforms=[])
LOG = dict(type='LogCallback', interval=1, backends=[])
ADAMW = dict(type='AdamW', lr=0.01, params=['transformer'])
CHECKPOINT = dict(type='CheckpointCallback', interval=2)


def model(**changes: Any) -> dict[str, Any]:
    """Return the config of a network of 8x8 tokens of 16 px images."""
    parts = tiny().trainer.model.to_dict()
    transformer = dict(type='Llama', dim=16, depth=1, heads=2, grid=GRID, mlp_dim=32)
    return dict(
        type='ProposalNetwork',
        **{name: parts[name] for name in FROZEN},
        transformer=transformer,
        classes=10,
        class_dropout=0.2,
        dropout=0.1,
    ) | changes  # fmt: skip


def write_weights(folder: Path, *, seed: int = 0) -> Path:
    """Write the weights of the frozen parts, and return the file."""
    torch.manual_seed(seed)
    state = only(MODELS.build(model()).state_dict(), FROZEN)
    file = folder / f'frozen_{seed}.safetensors'
    write_safetensors(file, state)
    return file


def trainer(folder: Path, weights: Path, dataset: Any, **changes: Any) -> Trainer:
    """Return a trainer of the tiny network."""
    made = Trainer(
        job=job(folder),
        model=changes.pop('model', model()),
        dataset=dataset,
        dataloader=dict(batch_size=4, num_workers=0),
        optimizers=dict(transformer=ADAMW),
        strategy=dict(type='DDPStrategy'),
        callbacks=[LOG, CHECKPOINT],
        **dict(iters=3) | changes,
    )  # fmt: skip
    made.load_weights([weights], strict=False)
    return made


def walker(folder: Path, weights: Path, dataset: Any, **changes: Any) -> Validator:
    """Return a validator of the tiny network, or what `type` says."""
    config = dict(
        type='Validator',
        model=model(),
        dataset=dataset,
        dataloader=dict(batch_size=4, num_workers=0),
        strategy=dict(type='DDPStrategy'),
    )
    made: Validator = RUNNERS.build(config | changes, job=job(folder))
    made.load_weights([weights], strict=False)
    return made


def write_store(folder: Path, weights: Path) -> dict[str, Any]:
    """Write the tokens of IMAGES by a `Tokenizer`; return the config of the samples."""
    callback = dict(type='TokenCallback', block_size=4)
    walker(folder, weights, IMAGES, type='Tokenizer', callbacks=[callback]).run()
    return dict(type='TokenSampleDataset', root=str(folder / 'tokens'))


def write_crops(folder: Path, like: Path, *, crops: int = 3) -> dict[str, Any]:
    """Write a store of noise, several crops an image, said to be of `like`'s maker."""
    tokenizer = TokenDataset(like).meta.tokenizer
    meta = TokenMeta(
        token_sizes=(32,),
        grid=GRID,
        block_size=4,
        number=10,
        dataset='noise',
        transforms=[],
        tokenizer=tokenizer,
        crops=crops,
    )
    generator = torch.Generator().manual_seed(0)
    with TokenWriter(folder / 'tokens', meta=meta) as writer:
        for places in torch.arange(10).split(4):
            shape = (len(places), *meta.shape)
            tokens = torch.randint(32, shape, generator=generator)
            ids = [str(int(place)) for place in places]
            writer.add(places, tokens, places, ids)
    return dict(type='TokenSampleDataset', root=str(folder / 'tokens'))


def own_hash(runner: Any) -> str:
    """Return the hash of a runner's tokenizer."""
    return state_hash(runner.model.tokenizer.state_dict())
