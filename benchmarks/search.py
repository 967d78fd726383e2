"""How much faster, and in how much less memory, we find the nearest code than others.

    python benchmarks/search.py

Each way of searching has a process of its own for each case, so that each has its own
peak of memory. They take turns, and medians count: of our time, and of the others'
times to ours in the same turn. What would need too much memory is not run.
"""

import argparse
import itertools
import json
import multiprocessing
import platform
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor

from vq.models.quantizers.search import nearest_code

LATENTS, CODES, DIMS = (1024, 8192, 65536), (1024, 16384, 262144), (8, 32, 256)
QUICK = ((64,), (128, 1024), (4,))  # of the same, for --quick
MIB, GIB = 2**20, 2**30
PEER = 'vector-quantize-pytorch'
PRELOAD = ['torch', 'vq.models', 'vector_quantize_pytorch']  # what is missing may be
Search = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """Sizes of a search: n latents, k codes, d channels."""

    latents: int
    codes: int
    dim: int

    @property
    def matrix(self) -> int:
        """Bytes of the distances of all latents to all codes."""
        return 4 * self.latents * self.codes


@dataclass
class Result:
    """What was measured of one way: each turn's seconds, and the peak in bytes."""

    seconds: list[float]
    peak: int = 0


def ours(rows: Tensor, codebook: Tensor) -> Search:
    """Return this package's search."""
    return lambda: nearest_code(rows, codebook)


def dense(rows: Tensor, codebook: Tensor) -> Search:
    """Return the formula that taming-transformers made usual."""

    def search() -> Tensor:
        squares = rows.square().sum(1, keepdim=True) + codebook.square().sum(1)
        return (squares - 2 * rows @ codebook.T).argmin(1)

    return search


def cdist(rows: Tensor, codebook: Tensor) -> Search:
    """Return torch's distances, searched."""
    return lambda: torch.cdist(rows, codebook).argmin(1)


def peer(rows: Tensor, codebook: Tensor) -> Search:
    """Return the forward pass of vector-quantize-pytorch in evaluation."""
    from vector_quantize_pytorch import VectorQuantize

    size, dim = codebook.shape
    module = VectorQuantize(dim=dim, codebook_size=size).to(rows.device).eval()
    module.load_state_dict({'_codebook.embed': codebook[None]}, strict=False)
    return lambda: module(rows[None])[1][0]


WAYS = {'ours': ours, 'dense': dense, 'cdist': cdist, PEER: peer}
# How many matrices of all distances a way has at a time, as its memory shows.
MATRICES = {'ours': 0, 'dense': 3, 'cdist': 1, PEER: 4}


def left_out(name: str, case: Case, limit: float) -> str:
    """Return why a way is not run, '' if it is. `limit` is in GiB."""
    if name == PEER and find_spec('vector_quantize_pytorch') is None:
        return 'not installed'
    need = MATRICES[name] * case.matrix / GIB
    return f'needs {need:.3g} GiB' if need > limit else ''


def seconds_of(search: Search, device: str) -> float:
    """Return how long a search takes."""
    start = time.perf_counter()
    search()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_memory(device: str) -> int:
    """Return the largest memory so far, in bytes."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@torch.no_grad()
def work(
    connection: Connection, name: str, case: Case, device: str, threads: int
) -> None:
    """Be the process of one way: a search for each message, until it is None.

    The first answer is (seconds, peak of memory), those that follow are seconds.
    """
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(0)
        WAYS[name](*(torch.randn(256, 8, device=device) for _ in range(2)))()
        rows = torch.randn(case.latents, case.dim, device=device)
        search = WAYS[name](rows, torch.randn(case.codes, case.dim, device=device))
        before = peak_memory(device)
        seconds = seconds_of(search, device)
        connection.send((seconds, peak_memory(device) - before))
        while connection.recv():
            connection.send(seconds_of(search, device))
    except (EOFError, BrokenPipeError):
        return  # the other side has given up
    except Exception:
        connection.send(traceback.format_exc())


class Worker:
    """A way's process, seen from outside."""

    def __init__(self, name: str, case: Case, device: str, threads: int) -> None:
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(PRELOAD)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=work, args=(theirs, name, case, device, threads), daemon=True
        )
        self.process.start()
        theirs.close()
        self.name = name

    def answer(self) -> tuple[float, int] | float:
        """Return what the process says.

        Raises:
            SystemExit: It failed; what it said is the message.
        """
        try:
            answer: tuple[float, int] | float | str = self.connection.recv()
        except EOFError:
            self.process.join()
            answer = f'died with code {self.process.exitcode}; try a smaller --memory'
        if isinstance(answer, str):
            raise SystemExit(f'{self.name}: {answer}')
        return answer


def measure(
    case: Case, names: Sequence[str], device: str, threads: int, seconds: float
) -> dict[str, Result]:
    """Search in all ways, in turns, for about `seconds`."""
    workers, results = {}, {}
    for name in names:  # one after the other: first searches are no race
        workers[name] = Worker(name, case, device, threads)
        first, peak = workers[name].answer()
        results[name] = Result([first], peak)
    turn = sum(result.seconds[0] for result in results.values())
    turns = min(50, int(seconds / turn))
    if turn < 2 * seconds:
        turns = max(3, turns)
    if turns:  # otherwise the first has to do, though it is often slower
        for result in results.values():
            result.seconds.clear()
    for _, (name, worker) in itertools.product(range(turns), workers.items()):
        worker.connection.send(True)
        results[name].seconds.append(worker.answer())
    for worker in workers.values():
        worker.connection.send(None)
        worker.process.join()
    return results


def ratio(result: Result, own: Result) -> float:
    """Return how many times our time a search takes, as the median of turns."""
    pairs = zip(result.seconds, own.seconds, strict=True)
    return statistics.median(theirs / ours for theirs, ours in pairs)


def line(case: Case, results: Mapping[str, Result], reasons: Mapping[str, str]) -> str:
    """Return a case's line of the table."""
    own = results['ours']
    cells = [f'{size:,}' for size in (case.latents, case.codes, case.dim)]
    cells.append(f'{1000 * statistics.median(own.seconds):,.1f}')
    cells.append(f'{own.peak / MIB:,.0f}')
    for name in list(WAYS)[1:]:
        cells += [reasons[name], '']
        if name in results:
            memory = results[name].peak / max(own.peak, MIB)
            cells[-2:] = f'{ratio(results[name], own):.1f}', f'{memory:,.0f}'
    return f'| {" | ".join(cells)} |'


def header() -> str:
    """Return the first two lines of the table."""
    names = ['n', 'k', 'd', 'ours, ms', 'ours, MiB']
    for name in list(WAYS)[1:]:
        names += [f'{name}: time', 'memory']
    return f'| {" | ".join(names)} |\n|{"---|" * len(names)}'


def say(text: str) -> None:
    """Write a line of progress."""
    print(text, file=sys.stderr, flush=True)


def run(flags: argparse.Namespace) -> Iterator[tuple[Case, dict[str, Result], str]]:
    """Yield each case, what was measured, and its line of the table."""
    sizes = QUICK if flags.quick else (flags.latents, flags.codes, flags.dims)
    cases = list(itertools.starmap(Case, itertools.product(*sizes)))
    # Products and passes over the matrix, of about the same time at 64 channels.
    efforts = [case.matrix * (64 + case.dim) for case in cases]
    start = time.perf_counter()
    for index, case in enumerate(cases):
        reasons = {name: left_out(name, case, flags.memory) for name in WAYS}
        names = [name for name, reason in reasons.items() if not reason]
        results = measure(case, names, flags.device, flags.threads, flags.seconds)
        # A case takes --seconds if it can; the largest take what they take.
        pace = statistics.median(results['ours'].seconds) / efforts[index]
        left = sum(max(flags.seconds, pace * each) for each in efforts[index + 1 :])
        passed = time.perf_counter() - start
        say(f'{index + 1}/{len(cases)} {case}: {passed:.0f} s, about {left:.0f} left')
        yield case, results, line(case, results, reasons)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    for name, default in (('latents', LATENTS), ('codes', CODES), ('dims', DIMS)):
        shown = ' '.join(map(str, default))
        add(f'--{name}', type=int, nargs='+', default=default, help=f'({shown})')
    add('--quick', action='store_true', help='two tiny cases, to try the program')
    add('--seconds', type=float, default=5, help='of a case (default %(default)s)')
    add(
        '--memory',
        type=float,
        default=3.5,
        help='GiB that a way may need (%(default)s)',
    )
    add('--threads', type=int, default=torch.get_num_threads(), help='(%(default)s)')
    add('--device', choices=['cpu', 'cuda'], default='cpu')
    add('--json', type=Path, metavar='FILE', help='write all figures there')
    return parser.parse_args(arguments)


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    if device == 'cuda':
        return torch.cuda.get_device_name()
    cpus = Path('/proc/cpuinfo')
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.partition(': ')[2] for line in lines if line.startswith('model name')]
    return next(iter(names), platform.processor() or platform.machine())


def main() -> None:
    """Run the command."""
    flags = parse()
    device = device_name(flags.device)
    print(f'{device}, {flags.threads} threads, torch {torch.__version__}')
    print(header(), flush=True)
    figures = []
    for case, results, text in run(flags):
        print(text, flush=True)
        ways = {name: asdict(result) for name, result in results.items()}
        figures.append(dict(case=asdict(case), ways=ways))
    if flags.json is not None:
        settings = dict(device=device, threads=flags.threads, torch=torch.__version__)
        flags.json.write_text(json.dumps(dict(settings=settings, cases=figures)))


if __name__ == '__main__':
    main()
