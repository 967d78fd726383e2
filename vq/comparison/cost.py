"""What a checkpoint cost, from what its training left behind."""

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

from vq import checkpoints
from vq.logs import read_json_lines

SECONDS = 3600  # an hour's


def cost(saved: Path) -> dict[str, float]:
    """Return what is known of the cost of a checkpoint.

    `images`: seen until then; `images_per_second`: the median; `hours`: of the
    iterations that count, without pauses and what a resume did again; `memory_mib`: of
    the fullest GPU; `ranks`; `batch_size`: of all ranks; `weights`: numbers in the
    checkpoint's model, buffers and discriminator included.

    Args:
        saved: RUN/checkpoints/iter_N; it may have been deleted.
    """
    run, iteration = saved.parents[1], checkpoints.iteration(saved)
    found: dict[str, float] = dict(iteration=iteration)
    if meta := _meta(saved):
        batch_size = meta['batch_size']
        found['images'] = iteration * batch_size
        found |= _speed(run, iteration, batch_size)
        found |= dict(ranks=meta['world_size'], batch_size=batch_size)
    lines = '\n'.join(p.read_text(errors='replace') for p in sorted(run.glob('*.log')))
    memory = [float(word) for word in re.findall(r' Memory ([\d.]+)M ', lines)]
    if memory:
        found['memory_mib'] = max(memory)
    if (file := saved / 'model.safetensors').is_file():
        found['weights'] = _numbers(file)
    return found


def _meta(saved: Path) -> dict[str, Any]:
    """Return what the checkpoint says of its run, or another where it is deleted."""
    others = checkpoints.list_checkpoints(saved.parent)
    for folder in (saved, *reversed(others)):
        if (folder / checkpoints.META).is_file():
            meta: dict[str, Any] = json.loads((folder / checkpoints.META).read_text())
            return meta
    return {}


def _speed(run: Path, iteration: int, batch_size: int) -> dict[str, float]:
    # A record tells the speed since the one before it. A resumed run repeats some:
    # the newest counts.
    speeds = {
        record['iteration']: record['images_per_second']
        for record in read_json_lines(run / 'speed.jsonl')
        if record['iteration'] <= iteration
    }
    if not speeds:
        return {}
    steps = sorted(speeds)
    seconds = sum(
        (end - start) * batch_size / speeds[end]
        for start, end in zip([0, *steps], steps, strict=False)
    )
    return dict(
        images_per_second=statistics.median(speeds.values()), hours=seconds / SECONDS
    )


def _numbers(file: Path) -> int:
    """Return how many numbers a file of safetensors holds, from its header alone."""
    with file.open('rb') as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), 'little')))
    header.pop('__metadata__', None)
    return sum(math.prod(tensor['shape']) for tensor in header.values())
