"""MoVQ's decoder: our modulation beside the published order of the same operations.

    python benchmarks/movq.py --check

The decoder of configs/movqgan/67M.py, forward and backward, with random weights. The
published code enlarges the condition to each latent's size before its convolutions;
ours maps it at its own size. Each way is a process of its own, whose peak memory
counts; ways take turns, the fastest pass of each counts, and both give the same image.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WAYS = ('ours', 'published order', 'standard decoder')
LEAST_MEMORY, MOST_TIME = 1.1, 1.05  # for --check: published / ours, ours / published


def published_order(norm: Any, latent: Any, condition: Any) -> Any:
    """Modulate as the published code does."""
    from torch.nn import functional

    resized = functional.interpolate(condition, latent.shape[-2:])
    return norm.norm(latent) * norm.scale(resized) + norm.shift(resized)


def measure(way: str, flags: argparse.Namespace) -> dict[str, float]:
    """Decode and go back `passes` times; return seconds, bytes and the image's mean."""
    import torch

    from vq.api import load_model
    from vq.models.norms import SpatialNorm

    torch.set_num_threads(flags.threads)
    torch.manual_seed(0)
    if way == 'published order':
        SpatialNorm.forward = published_order  # type: ignore[method-assign]
    name = 'vq_67M' if way == 'standard decoder' else '67M'
    model = load_model(ROOT / 'configs' / 'movqgan' / f'{name}.py').train()
    side = flags.pixels // 8
    latent = torch.randn(flags.batch, 4, side, side, requires_grad=True)
    seconds = []
    for _ in range(flags.passes):
        begun = time.process_time()
        image = model.decode(latent)
        image.square().mean().backward()
        seconds.append(time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return dict(seconds=min(seconds), peak=peak, value=image.double().std().item())


def compare(flags: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure all ways, in turn."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(flags.repeats):
        for way in WAYS:
            words = [sys.executable, __file__, *flags.words, '--way', way]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f'{way}:\n{done.stderr}')
            runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        way: {key: min(run[key] for run in found) for key in found[0]}
        for way, found in runs.items()
    }


def problems(found: dict[str, dict[str, float]]) -> list[str]:
    """Return what --check has to complain of."""
    ours, theirs = found['ours'], found['published order']
    complaints = []
    if abs(ours['value'] - theirs['value']) > 1e-5 * abs(theirs['value']):
        complaints.append(f'the images differ: {ours["value"]}, {theirs["value"]}')
    if theirs['peak'] < LEAST_MEMORY * ours['peak']:
        complaints.append(f'peak memory only {theirs["peak"] / ours["peak"]:.2f} times')
    if ours['seconds'] > MOST_TIME * theirs['seconds']:
        complaints.append(f'{ours["seconds"] / theirs["seconds"]:.2f} times as slow')
    return complaints


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the parsed flags."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--pixels', type=int, default=256, help='a side (default %(default)s)')
    add('--batch', type=int, default=1, help='images (default %(default)s)')
    add('--passes', type=int, default=3, help='of a process (default %(default)s)')
    add('--repeats', type=int, default=2, help='processes a way (default %(default)s)')
    add('--threads', type=int, default=1, help='(default %(default)s)')
    add('--check', action='store_true', help='fail where ours is not the better way')
    add('--way', choices=WAYS, help=argparse.SUPPRESS)
    flags = parser.parse_args(arguments)
    flags.words = arguments
    return flags


def main() -> None:
    """Run the command."""
    flags = parse(sys.argv[1:])
    if flags.way:
        print(json.dumps(measure(flags.way, flags)))
        return
    found = compare(flags)
    ours = found['ours']
    print('| way | seconds a pass | time, beside ours | peak memory | beside ours |')
    print('|---|---|---|---|---|')
    for way, result in found.items():
        print(
            f'| {way} | {result["seconds"]:.2f} | '
            f'{result["seconds"] / ours["seconds"]:.2f} | '
            f'{result["peak"] / 2**30:.2f} GiB | {result["peak"] / ours["peak"]:.2f} |'
        )
    if flags.check and (complaints := problems(found)):
        raise SystemExit('\n'.join(complaints))


if __name__ == '__main__':
    main()
