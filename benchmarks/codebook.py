"""Every quantizer family in one small network, with equally many codes and iterations.

    python tools/prepare_data.py photos
    python benchmarks/codebook.py

Each family's experiment on photographs (configs/*/*_photos.py) is trained as it is,
but for the codebook's size; then it tokenizes all training crops, which tells the
usage, and reconstructs photographs that it has never seen. Interrupted, it goes on
where it stood. The table and the picture lie in work_dirs/benchmarks/codebook/.
"""

import argparse
import json
import pprint
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from codebook_cases import CASES, SIZES

from vq.paths import ROOT

RUNS = 'benchmarks/codebook'  # below work_dirs/
METRICS = dict(psnr=dict(type='PSNR'), codebook=dict(type='CodebookMetric'))
Result = dict[str, Any]


def slug(family: str, size: int) -> str:
    """Return the name of a case's run."""
    words = family.lower().replace(',', '').split()
    return '_'.join([*words, str(size)])


def write_config(folder: Path, family: str, size: int, iters: int) -> Path:
    """Write the experiment of a case; it is trained from this very file."""
    case = CASES[family]
    base = str(ROOT / 'configs' / f'{case.config}.py')
    temperature = 'temperature' in (ROOT / base).read_text()
    fragments = dict(
        case.difference(size),
        iters=iters,
        schedulers=dict(generator=dict(T_max=iters)),
        val_metrics=dict(_delete_=True, **METRICS),
        val_callbacks=dict(images=None),
    )
    if temperature:
        fragments['train_callbacks']['temperature'] = dict(iters=iters)
    lines = [f'"""{family} with {size:,} codes on photographs."""', '']
    lines += [f'_base_ = [{base!r}]']
    lines += [f'{name} = {pprint.pformat(value)}' for name, value in fragments.items()]
    path = folder / f'{slug(family, size)}.py'
    path.write_text('\n'.join(lines) + '\n')
    return path


def run(log: Path, *words: str) -> str:
    """Run a module or program, its output into `log`; return stdout's last line."""
    with open(log, 'a', encoding='utf-8') as file:
        done = subprocess.run(
            [sys.executable, *(['-m'] if words[0].startswith('vq.') else []), *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        file.write(done.stdout)
    if done.returncode:
        raise SystemExit(f'{" ".join(words)} failed, see {log}')
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ''


def measure(folder: Path, family: str, size: int, iters: int) -> Result:
    """Train and test a case, or return what was measured before."""
    name = f'{slug(family, size)}_{iters}'
    known = folder / f'{name}.json'
    if known.exists():
        result: Result = json.loads(known.read_text())
        return result
    config, log = write_config(folder, family, size, iters), folder / f'{name}.log'
    run_name = f'{RUNS}/{name}'
    run(log, 'vq.train', run_name, str(config), '--auto-resume')
    weights = f'work_dirs/{run_name}/checkpoints/latest/model.pth'
    load = ('--load-model-from', weights)
    held_out = json.loads(run(log, 'vq.test', run_name, str(config), *load))
    on_train = ('--override', '.validator.dataset.data_root::data/photos/train')
    seen = json.loads(
        run(log, 'vq.test', f'{run_name}_seen', str(config), *load, *on_train)
    )
    result = dict(
        family=family,
        size=size,
        iters=iters,
        usage=seen['codebook/usage'],
        perplexity=seen['codebook/perplexity'],
        psnr=held_out['psnr'],
        seconds=iters * float(run(log, __file__, '--time', str(config))),
    )
    known.write_text(json.dumps(result))
    return result


def seconds_an_iteration(config: str, iterations: int = 12) -> float:
    """Return the processor time of a training iteration, on one thread.

    Unlike the time by the clock it is the same on a busy machine.
    """
    import torch

    from vq.config import load
    from vq.datasets.loader import train_loader
    from vq.registry import DATASETS, MODELS

    torch.set_num_threads(1)
    trainer = load(config).trainer
    model = MODELS.build(trainer.model).to(memory_format=torch.channels_last)
    dataset = DATASETS.build(trainer.dataset)
    loader = train_loader(
        dataset,
        batch_size=trainer.dataloader.batch_size,
        num_workers=0,
        seed=0,
        start=0,
    )
    batch = next(iter(loader))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    times = []
    for _ in range(iterations):
        start = time.process_time()
        loss = model.generator_loss(batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return statistics.median(times[2:])


def table(results: Sequence[Result]) -> str:
    """Return the results of `measure` as a table in Markdown."""
    sizes = sorted({result['size'] for result in results})
    by = {(result['family'], result['size']): result for result in results}
    head = ['family']
    for size in sizes:
        head += [f'usage, K = {size:,}', 'perplexity', 'PSNR', 'seconds']
    lines = [f'| {" | ".join(head)} |', f'|---|{"---:|" * (len(head) - 1)}']
    for family in dict.fromkeys(result['family'] for result in results):
        cells = [family]
        for size in sizes:
            result = by.get((family, size))
            cells += ['', '', '', ''] if result is None else _cells(result)
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _cells(result: Mapping[str, Any]) -> list[str]:
    return [
        f'{result["usage"]:.1%}',
        f'{result["perplexity"]:,.0f}',
        f'{result["psnr"]:.2f}',
        f'{result["seconds"]:.0f}',
    ]


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw usage and PSNR of every family, the sizes side by side."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    families = list(dict.fromkeys(result['family'] for result in results))[::-1]
    sizes = sorted({result['size'] for result in results})
    figure, axes = pyplot.subplots(
        1, 2, sharey=True, figsize=(10, 0.34 * len(families) + 1.2)
    )
    height = 0.8 / len(sizes)
    for axis, key, scale in zip(axes, ('usage', 'psnr'), (100, 1), strict=True):
        for i, size in enumerate(reversed(sizes)):
            values = {r['family']: scale * r[key] for r in results if r['size'] == size}
            places = [families.index(family) + (i - 0.5) * height for family in values]
            colour = ('#e07b39', '#2f6f9f')[i % 2]
            label = f'K = {size:,}'
            axis.barh(places, values.values(), height, color=colour, label=label)
        axis.grid(axis='x', alpha=0.3)
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(families)), families)
    axes[0].set_xlabel('codes used for all training crops, in %')
    axes[1].set_xlabel('PSNR of photographs never seen, in dB')
    axes[1].set_xlim(left=min(r['psnr'] for r in results) - 1)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc='upper center', ncols=len(sizes))
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES, choices=SIZES)
    parser.add_argument('--families', nargs='+', default=list(CASES), choices=CASES)
    parser.add_argument('--iters', type=int, default=700)
    parser.add_argument('--jobs', type=int, default=1, help='cases at a time')
    parser.add_argument('--time', metavar='CONFIG', help='only time one experiment')
    return parser


def main() -> None:
    args = parser().parse_args()
    if args.time:
        print(seconds_an_iteration(args.time))
        return
    if not (ROOT / 'data/photos/train').is_dir():
        raise SystemExit(
            'there are no photographs: python tools/prepare_data.py photos'
        )
    folder = ROOT / 'work_dirs' / RUNS
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(family, size) for size in args.sizes for family in args.families]
    start, results = time.monotonic(), []
    with ThreadPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(measure, folder, *case, args.iters) for case in cases]
        for number, future in enumerate(waiting, 1):
            result = future.result()
            results.append(result)
            spent = time.monotonic() - start
            left = spent / number * (len(cases) - number)
            print(
                f'[{number}/{len(cases)}] ETA {left:.0f} s  {result["family"]}, '
                f'{result["size"]:,} codes: usage {result["usage"]:.1%}, '
                f'PSNR {result["psnr"]:.2f} dB',
                flush=True,
            )
    text = table(results)
    (folder / 'table.md').write_text(text + '\n')
    draw(results, folder / 'usage.png')
    print(f'\n{text}\n\n{folder / "table.md"}\n{folder / "usage.png"}')


if __name__ == '__main__':
    main()
