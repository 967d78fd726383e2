"""Sampling of tokens beside transformers' `generate`: tokens/s and peak memory.

    python benchmarks/sampling.py --check

One Llama with random weights draws the tokens of a batch of images, with guidance, by
each way on the same weights. Every run is a process of its own, whose peak memory
counts; ways take turns, and the median counts. On a GPU the table also says which share
of the memory bandwidth, as a copy reaches it, our steps use: each must read all weights
and the keys and values so far.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

LEAST_RATIO = 1.5  # beside the better way of transformers, for --check
OURS = ('ours',)
CHECKED = ('transformers, dynamic cache', 'transformers, static cache')
WAYS = (*OURS, *CHECKED, 'transformers, both halves in one batch')
LLAMAGEN = "LlamaGen's own code"


def measure(way: str, batch: int, flags: argparse.Namespace) -> dict[str, float]:
    """Run one way in a process of its own; return its seconds and bytes."""
    script = Path(__file__).with_name('sampling_ways.py')
    words = [sys.executable, str(script), way, str(batch)]
    for name in ('size', 'tokens', 'codes', 'cfg', 'threads', 'device', 'dtype'):
        words += [f'--{name}', str(getattr(flags, name))]
    words += ['--llamagen', flags.llamagen] if flags.llamagen else []
    words += ['--compile'] * flags.compile
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{way}, batch {batch}:\n{done.stderr}')
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(batch: int, flags: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the medians of all ways, which take turns."""
    ways = (*WAYS, LLAMAGEN) if flags.llamagen else WAYS
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(flags.repeats):
        for way in ways:
            runs[way].append(measure(way, batch, flags))
    return {
        way: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for way, found in runs.items()
    }


def report(batch: int, found: dict[str, dict[str, float]]) -> None:
    """Print a batch's rows of the table."""
    ours = found['ours']['seconds']
    for way, result in found.items():
        share = result.get('bandwidth_share')
        print(
            f'| {batch} | {way} | {result["tokens"] / result["seconds"]:,.0f} | '
            f'{result["seconds"] / ours:.2f} | {result["peak"] / 2**30:.2f} GiB | '
            + (f'{share:.0%} |' if share else '|'),
            flush=True,
        )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--size', default='B', choices=['tiny', 'S', 'B', 'L'], help='(%(default)s)')
    add('--batches', type=int, nargs='+', default=[8, 64], help='images (8 64)')
    add('--tokens', type=int, default=256, help='an image (default %(default)s)')
    add('--codes', type=int, default=16384, help='(default %(default)s)')
    add('--cfg', type=float, default=2.0, help='guidance; 1 is none (%(default)s)')
    add('--repeats', type=int, default=1, help='turns (default %(default)s)')
    add('--threads', type=int, default=2, help='(default %(default)s)')
    add('--device', choices=['cpu', 'cuda'], default='cpu')
    add('--dtype', choices=['float32', 'bfloat16'], default='float32')
    add('--compile', action='store_true', help='compile our step (GPU)')
    add('--llamagen', metavar='FOLDER', help="a copy of LlamaGen's repository")
    add('--check', action='store_true', help=f'fail below {LEAST_RATIO} times')
    return parser.parse_args(arguments)


def problems(batch: int, found: dict[str, dict[str, Any]]) -> list[str]:
    """Return what --check has to complain of."""
    best = min(CHECKED, key=lambda way: found[way]['seconds'])
    ratio = found[best]['seconds'] / found['ours']['seconds']
    if ratio >= LEAST_RATIO:
        return []
    return [f'batch {batch}: only {ratio:.2f} times as fast as {best}']


def main() -> None:
    """Run the command."""
    flags = parse()
    print(
        f'size {flags.size}, {flags.tokens} tokens of {flags.codes:,} codes an image, '
        f'cfg {flags.cfg}, {flags.dtype}, {flags.device}, {flags.threads} threads'
    )
    print('| images | way | tokens/s | time, beside ours | peak memory | bandwidth |')
    print('|---|---|---|---|---|---|')
    complaints = []
    for batch in flags.batches:
        found = compare(batch, flags)
        report(batch, found)
        complaints += problems(batch, found)
    if flags.check and complaints:
        raise SystemExit('\n'.join(complaints))


if __name__ == '__main__':
    main()
