"""Which checkpoint to validate next, as a training run writes them."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from vq import checkpoints, distributed
from vq.runners.trainer import FINISHED

_logger = logging.getLogger(__name__)
PAUSE = 10.0  # seconds between looks


def pending(
    root: Path, *, done: set[str], names: Sequence[str] | None = None
) -> list[Path]:
    """Return the complete checkpoints below `root` that are not done, oldest first.

    Args:
        root: The folder of checkpoints.
        done: Names that are done.
        names: Only these; None means all.
    """
    return [
        folder
        for folder in checkpoints.list_checkpoints(root)
        if folder.name not in done and (names is None or folder.name in names)
    ]


def watch(
    work_dir: Path,
    *,
    names: Sequence[str] | None = None,
    forever: bool = False,
    pause: float = PAUSE,
) -> Iterator[Path]:
    """Yield checkpoints to validate, on all ranks the same, waiting for new ones.

    It ends when all of `names` are done or, without names, when the training has
    finished and nothing is left; with `forever` it never ends.

    Args:
        work_dir: The training run's folder.
        names: Checkpoints to wait for, such as 'iter_150000'.
        forever: Go on after the end of the training.
        pause: Seconds between looks.
    """
    done: set[str] = set()
    waiting = False
    while True:
        decision = distributed.broadcast(
            _decide(work_dir, done=done, names=names, forever=forever)
            if distributed.is_main()
            else None
        )
        if isinstance(decision, Path):
            done.add(decision.name)
            waiting = False
            yield decision
        elif decision == 'stop':
            return
        else:
            if not waiting:
                _logger.info('waiting for checkpoints in %s', work_dir / 'checkpoints')
            waiting = True
            time.sleep(pause)


def _decide(
    work_dir: Path, *, done: set[str], names: Sequence[str] | None, forever: bool
) -> Path | str:
    # The marker is read first: what was written before it is then seen.
    finished = (work_dir / FINISHED).exists()
    left = pending(work_dir / 'checkpoints', done=done, names=names)
    if left:
        return left[0]
    if names is not None and not set(names) - done:
        return 'stop'
    if names is None and finished and not forever:
        return 'stop'
    if names is not None and finished and not forever:
        missing = sorted(set(names) - done)
        _logger.warning('the training has finished without %s', ', '.join(missing))
        return 'stop'
    return 'wait'
