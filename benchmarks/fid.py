"""FID of a folder beside pytorch-fid: time, memory, and the distance alone.

    python benchmarks/fid.py --images 5000

Both get one folder of photographs, one file of random Inception weights and one file of
statistics to compare with, as commands that a user types, one after the other. Their
numbers must agree. The extractor's share is the time of its network alone on the same
number of images. Then the distance is timed on statistics of 2,048 features, with full
rank and without, and the memory of the moments for more and more images.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch import Tensor

from vq import paths
from vq.metrics.frechet import Gaussian, frechet_distance
from vq.metrics.moments import Moments
from vq.models.extractors.inception import Inception

DIM = 2048
MIB = 2**20
WORK = paths.ROOT / 'work_dirs' / 'benchmarks' / 'fid'
WEIGHTS = 'pt_inception-2015-12-05-6726825d.pth'
MIN_RATIO = 10  # of the distances' times, for --check
TOLERANCE = 1e-3


@dataclass
class Usage:
    """What a command cost: seconds by the clock and of processors, bytes at most."""

    wall: float
    processor: float
    peak: int


def run(words: Sequence[str], **env: str) -> tuple[Usage, str]:
    """Run a command to its end; return what it cost and what it said."""
    started = time.perf_counter()
    with subprocess.Popen(
        words, env=dict(os.environ, **env), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f'{" ".join(words)} returned {process.returncode}:\n{said}')
    wall = time.perf_counter() - started
    # Linux counts in KiB.
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024), said


def make_images(number: int, size: int) -> Path:
    """Write crops of photographs as PNGs, unless they are there."""
    from skimage import data

    folder = WORK / f'{number}_{size}'
    if folder.is_dir():
        return folder
    aside = folder.with_name(f'.{folder.name}')
    aside.mkdir(parents=True, exist_ok=True)
    photos = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    random = np.random.default_rng(number)
    for index in range(number):
        photo = photos[index % len(photos)]
        side = int(random.integers(size, min(photo.shape[:2]) + 1))
        top, left = (int(random.integers(s - side + 1)) for s in photo.shape[:2])
        crop = Image.fromarray(photo[top : top + side, left : left + side])
        crop.resize((size, size)).save(aside / f'{index:06d}.png')
    return aside.rename(folder)


def make_weights() -> None:
    """Write random weights where both programs look for the published ones."""
    torch.manual_seed(0)
    network = Inception()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # so that signals neither die nor grow
            torch.nn.init.kaiming_normal_(module.weight)
    for folder in ('pretrained/pytorch-fid', 'hub/checkpoints'):
        (WORK / folder).mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), WORK / folder / WEIGHTS)


def ours(folder: Path, reference: Path, batch: int, *extra: str) -> tuple[Usage, float]:
    """Measure the folder with our tool."""
    words = [sys.executable, 'tools/fid.py', str(reference), str(folder)]
    words += ['--work-dir', str(WORK / 'ours'), '--override']
    words += [f'.dataloader.batch_size:{batch}', '.dataloader.num_workers:1', *extra]
    usage, _ = run(words, PRETRAINED=str(WORK))
    lines = (WORK / 'ours' / 'metrics.jsonl').read_text().splitlines()
    return usage, float(json.loads(lines[-1])['fid'])


def theirs(folder: Path, reference: Path, batch: int) -> tuple[Usage, float]:
    """Measure the folder with pytorch-fid."""
    words = [sys.executable, '-W', 'ignore', '-m', 'pytorch_fid']
    words += [str(reference), str(folder), '--device', 'cpu']
    words += ['--batch-size', str(batch), '--num-workers', '1']
    usage, said = run(words, TORCH_HOME=str(WORK))
    return usage, float(said.split('FID:')[1])


def make_reference(size: int) -> tuple[Path, Path]:
    """Write statistics of other photographs for both programs; return the files."""
    words = [sys.executable, '-m', 'vq.fid', 'folder', '--force', '--name', 'benchmark']
    others = make_images(160, size)
    words += ['--config-options', f'train_root::{others}', f'val_root::{others}']
    run([*words, f'image_size:{size}'], PRETRAINED=str(WORK))
    path = WORK / 'pretrained' / 'fid' / 'benchmark.safetensors'
    tensors = load_file(path)
    foreign = WORK / 'benchmark.npz'
    np.savez(foreign, mu=tensors['pooled/mean'], sigma=tensors['pooled/covariance'])
    return path, foreign


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Return the shortest time of some calls."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def features(number: int, shift: float, seed: int) -> Tensor:
    """Return features like those of a ReLU, (number, 2048)."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(DIM, DIM, generator=generator, dtype=torch.float64) / DIM**0.5
    rows = torch.randn(number, DIM, generator=generator, dtype=torch.float64)
    return (rows @ mix + shift).relu()


def gaussian(rows: Tensor) -> Gaussian:
    moments = Moments(DIM)
    moments.update(rows)
    return moments.gaussian()


def distances(number: int) -> dict[str, float]:
    """Time both distances on sets of so many images; they must agree."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    one, other = (gaussian(features(number, s, i)) for i, s in enumerate((0.2, 0.3)))
    arrays = [x.numpy() for g in (one, other) for x in (g.mean, g.covariance)]
    values = [frechet_distance(one, other), calculate_frechet_distance(*arrays)]
    if abs(values[0] - values[1]) > TOLERANCE * abs(values[1]):
        raise SystemExit(f'the distances differ: {values}')
    return {
        'ours': seconds(lambda: frechet_distance(one, other), 3),
        'pytorch-fid': seconds(lambda: calculate_frechet_distance(*arrays), 1),
        'difference': values[0] - values[1],
    }


def memory(number: int) -> int:
    """Return how much the peak of memory rises while so many features are added."""
    moments = Moments(DIM)
    rows = torch.rand(32, DIM)
    moments.update(rows)
    moments.gaussian()  # what is allocated once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(number // len(rows)):
        moments.update(rows)
    moments.gaussian()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def memory_alone(number: int) -> int:
    """Measure `memory` in a process of its own, whose peak is its own."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(memory, (number,))


def network_share(number: int, batch: int, *, channels_last: bool) -> float:
    """Return the seconds that the network alone takes for so many images."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = Inception().eval().to(memory_format=layout)
    images = torch.rand(batch, 3, 299, 299).contiguous(memory_format=layout)
    with torch.no_grad():
        return seconds(lambda: network(images), 3) * number / batch


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--images', type=int, default=5000, help='(default %(default)s)')
    add('--size', type=int, default=128, help='pixels (default %(default)s)')
    add('--batch', type=int, default=32, help='(default %(default)s)')
    add('--check', action='store_true', help=f'fail below a ratio of {MIN_RATIO}')
    return parser


def report_folder(flags: argparse.Namespace) -> None:
    """Print what both programs need for a folder."""
    make_weights()
    reference, foreign = make_reference(flags.size)
    folder = make_images(flags.images, flags.size)
    found = {
        'ours': ours(folder, reference, flags.batch),
        'pytorch-fid': theirs(folder, foreign, flags.batch),
    }
    print(f'{flags.images} images of {flags.size} px, batches of {flags.batch}')
    print('way          wall s  processor s  peak MiB  FID')
    for way, (usage, fid) in found.items():
        print(
            f'{way:<12} {usage.wall:6.1f}  {usage.processor:11.1f}  '
            f'{usage.peak / MIB:8.0f}  {fid:.6f}'
        )
    for channels_last in (False, True):
        share = network_share(flags.images, flags.batch, channels_last=channels_last)
        layout = 'NHWC' if channels_last else 'NCHW'
        print(f'the network alone, {layout}: {share:.1f} s')
    values = [fid for _, fid in found.values()]
    if abs(values[0] - values[1]) > TOLERANCE:
        raise SystemExit(f'the programs disagree: {values}')


def main() -> None:
    """Run the command."""
    flags = parser().parse_args()
    report_folder(flags)
    ratios = []
    for number in (5000, 500):
        times = distances(number)
        ratios.append(times['pytorch-fid'] / times['ours'])
        print(
            f'distance of two sets of {number}: ours {times["ours"]:.2f} s, '
            f'pytorch-fid {times["pytorch-fid"]:.2f} s, ratio {ratios[-1]:.1f}, '
            f'values differ by {times["difference"]:.1e}'
        )
    for number in (1_000, 10_000, 50_000):
        rise = memory_alone(number) / MIB
        kept = number * DIM * 8 / MIB
        print(
            f'moments of {number:>6} images: {rise:.0f} MiB more at the peak; '
            f'the features that pytorch-fid keeps are {kept:.0f} MiB'
        )
    if flags.check and min(ratios) < MIN_RATIO:
        raise SystemExit(f'pytorch-fid / ours is {min(ratios):.1f}, below {MIN_RATIO}')


if __name__ == '__main__':
    main()
