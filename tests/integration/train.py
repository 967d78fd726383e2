"""Train the tiny VQGAN in processes of their own, which may be killed at any moment."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import torch

import tests.integration.noise  # noqa: F401
from tests.ranks import run_ranks
from vq import callbacks, checkpoints, cli, commands, paths
from vq.runners import trainer, updates
from vq.train import run

CONFIG = Path(__file__).with_name('tiny_vqgan.py')
# Where a run may be killed: around every update, file, log line and rename.
MOMENTS: list[tuple[Any, str]] = [
    (trainer.Trainer, '_train_iter'),
    (updates.OptimizerUpdate, '_step'),
    (checkpoints.folders, 'sync'),
    (checkpoints.folders, 'write_weights'),
    (checkpoints.folders, '_replace'),
    (checkpoints, 'link_latest'),
    (callbacks.log, 'append_json'),
]


def train(
    root: Path,
    *words: str,
    ranks: int = 1,
    kill_at: int | None = None,
    name: str = 'run',
) -> int:
    """Run `vq.train NAME CONFIG ...` below `root`; return how many moments it had.

    Args:
        root: Stands in for the repository: work_dirs/ comes to lie there.
        words: Further words of the command line.
        ranks: Number of processes.
        kill_at: Kill rank 0, and with it all, by SIGKILL at this moment.
        name: Name of the run.
    """
    try:
        return max(run_ranks(_train, ranks, root, name, list(words), kill_at))
    except RuntimeError as error:
        if kill_at is None or 'died without a word' not in str(error):
            raise
        return -1


def _train(root: Path, name: str, words: list[str], kill_at: int | None) -> int:
    paths.ROOT = root
    # As in a process started by torchrun; ranks come from a fork server of their own.
    multiprocessing.set_start_method('fork', force=True)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, attribute in MOMENTS:
        setattr(owner, attribute, _ticking(getattr(owner, attribute), tick))
    args = cli.train_parser().parse_args([name, str(CONFIG), *words])
    commands.command(run)(args)
    return count


def _ticking(
    function: Callable[..., Any], tick: Callable[[], None]
) -> Callable[..., Any]:
    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        tick()
        result = function(*args, **kwargs)
        tick()
        return result

    return wrapped


def checkpoint(root: Path, iteration: int, name: str = 'run') -> dict[str, Any]:
    """Return all states of a checkpoint, by file."""
    folder = root / 'work_dirs' / name / 'checkpoints' / f'iter_{iteration}'
    saved = checkpoints.Checkpoint(folder)
    return {path.stem: saved.read(path.stem) for path in folder.glob('*.pth')}


def assert_same(one: Any, other: Any, where: str = '') -> None:
    """Compare nested states bit for bit."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f'{where}.{key}')
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f'{where}[{i}]')
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where
