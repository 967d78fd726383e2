"""Mini-batch k-means beside scikit-learn's and faiss': time, inertia, usage.

    python benchmarks/kmeans.py --check

Rows like features: groups of uneven sizes, more than there are centres. Each way draws
its first centres by k-means++ from the same rows and goes through the same batches;
faiss draws at random and makes a round over all rows for each pass of the others. Ways
take turns, one for each seed; medians count; time on a CPU is that of processors.
Inertia is the mean squared distance of all rows to their centres, usage the share of
the centres that have rows.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import torch
from einops import rearrange
from torch import Tensor

from vq.models import KMeansQuantizer
from vq.models.quantizers.kmeans import spread_rows
from vq.models.quantizers.search import nearest_code

MOST_INERTIA = 1.02  # beside scikit-learn's, for --check
START_ROWS = 3  # a centre, of which the first centres are drawn, as in scikit-learn
Way = Callable[[Tensor, int, argparse.Namespace, int], tuple[Tensor, float]]


def features(number: int, dim: int, *, groups: int, seed: int = 0) -> Tensor:
    """Return rows of normal groups, whose sizes fall like 1 / rank, (number, dim)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(groups, dim, generator=generator)
    shares = 1 / torch.arange(1, groups + 1)
    group = torch.multinomial(shares, number, replacement=True, generator=generator)
    noise = torch.randn(number, dim, generator=generator)
    return centres[group] + 0.5 * noise


def batches(rows: Tensor, flags: argparse.Namespace, seed: int) -> Iterator[Tensor]:
    """Yield each pass's batches, in another order in each pass, (batch, dim)."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(flags.passes):
        order = torch.randperm(len(rows), generator=generator).to(rows.device)
        for part in order.split(flags.batch):
            yield rows[part]


def ours(
    rows: Tensor, number: int, flags: argparse.Namespace, seed: int
) -> tuple[Tensor, float]:
    """Return the centres of a KMeansQuantizer, and the seconds of their start."""
    started = clock(rows)
    first = rows[: START_ROWS * number]
    start = first[spread_rows(first, number, seed=seed)]
    begun = clock(rows) - started
    quantizer = KMeansQuantizer(codebook_size=number, dim=rows.shape[1]).to(rows.device)
    quantizer.replace_codes(torch.arange(number, device=rows.device), start)
    quantizer.initialized.fill_(True)
    for batch in batches(rows, flags, seed):
        quantizer(rearrange(batch, 'n d -> 1 d n 1'))
    return quantizer.codes(), begun


def scikit_learns(
    rows: Tensor, number: int, flags: argparse.Namespace, seed: int
) -> tuple[Tensor, float]:
    """Return the centres of a MiniBatchKMeans, and the seconds of their start."""
    from sklearn.cluster import MiniBatchKMeans, kmeans_plusplus

    started = clock(rows)
    first = rows[: START_ROWS * number].cpu().numpy()
    start, _ = kmeans_plusplus(first, number, random_state=seed)
    begun = clock(rows) - started
    peer = MiniBatchKMeans(
        number, init=start, n_init=1, batch_size=flags.batch, random_state=seed
    )
    for batch in batches(rows.cpu(), flags, seed):
        peer.partial_fit(batch.numpy())
    return torch.from_numpy(peer.cluster_centers_).to(rows.device), begun


def faiss_s(
    rows: Tensor, number: int, flags: argparse.Namespace, seed: int
) -> tuple[Tensor, float]:
    """Return the centres of faiss, which tells no time of their start."""
    import faiss

    peer = faiss.Kmeans(
        rows.shape[1],
        number,
        niter=flags.passes,
        seed=seed + 1,
        max_points_per_centroid=len(rows),
    )
    peer.train(rows.cpu().numpy())
    return torch.from_numpy(peer.centroids).to(rows.device), 0.0


WAYS: dict[str, Way] = {
    'ours': ours,
    'scikit-learn': scikit_learns,
    'faiss': faiss_s,
}
PACKAGES = {'scikit-learn': 'sklearn', 'faiss': 'faiss'}


@dataclass
class Result:
    """What was measured of one way, a figure for each seed."""

    seconds: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    inertia: list[float] = field(default_factory=list)
    usage: list[float] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Return the median of a kind of figure."""
        return statistics.median(getattr(self, name))


def clock(rows: Tensor) -> float:
    """Return the time in seconds: of processors, or when the GPU is done."""
    if not rows.is_cuda:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def quality(rows: Tensor, centres: Tensor) -> tuple[float, float]:
    """Return inertia and usage of centres (k, d)."""
    tokens = nearest_code(rows, centres)
    squares = (rows - centres[tokens]).square().sum(-1)
    return float(squares.mean()), len(tokens.unique()) / len(centres)


def measure(rows: Tensor, number: int, flags: argparse.Namespace) -> dict[str, Result]:
    """Cluster in all ways that are installed, in turns."""
    names = [n for n in WAYS if n not in PACKAGES or find_spec(PACKAGES[n]) is not None]
    results = {name: Result() for name in names}
    # The first turn is for what is slow but once.
    for seed in (0, *range(flags.seeds)):
        for name, result in results.items():
            started = clock(rows)
            centres, begun = WAYS[name](rows, number, flags, seed)
            result.seconds.append(clock(rows) - started)
            result.start.append(begun)
            inertia, usage = quality(rows, centres)
            result.inertia.append(inertia)
            result.usage.append(usage)
    for result in results.values():
        for figures in vars(result).values():
            del figures[0]
    return results


def problems(number: int, results: dict[str, Result]) -> Iterator[str]:
    """Yield where ours is slower or worse than scikit-learn's."""
    if 'scikit-learn' not in results:
        return
    own, peer = results['ours'], results['scikit-learn']
    pairs = zip(own.seconds, peer.seconds, strict=True)
    slower = statistics.median(a / b for a, b in pairs)
    if slower > 1:
        yield f'k = {number}: ours takes {slower:.2f} times as long as scikit-learn'
    worse = own.median('inertia') / peer.median('inertia')
    if worse > MOST_INERTIA:
        yield f'k = {number}: the inertia is {worse:.3f} times that of scikit-learn'


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--rows', type=int, default=20_000, help='(default %(default)s)')
    add('--dim', type=int, default=64, help='channels (default %(default)s)')
    add('--centres', type=int, nargs='+', default=(256, 1024), help='(256 1024)')
    add('--batch', type=int, default=1024, help='rows (default %(default)s)')
    add('--passes', type=int, default=5, help='over all rows (default %(default)s)')
    add('--seeds', type=int, default=5, help='turns (default %(default)s)')
    add('--threads', type=int, default=1, help='(default %(default)s)')
    add('--device', choices=['cpu', 'cuda'], default='cpu', help='of ours')
    add('--check', action='store_true', help='fail where ours is slower or worse')
    return parser.parse_args(arguments)


def main() -> None:
    """Run the command."""
    flags = parse()
    torch.set_num_threads(flags.threads)
    if find_spec('threadpoolctl') is not None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(flags.threads)
    print(
        f'{flags.rows:,} rows of {flags.dim} channels, batches of {flags.batch:,}, '
        f'{flags.passes} passes, {flags.threads} threads, {flags.device}'
    )
    print('| k | way | seconds | of them start | inertia | usage |')
    print('|---|---|---|---|---|---|')
    found = []
    for number in flags.centres:
        rows = features(flags.rows, flags.dim, groups=2 * number).to(flags.device)
        results = measure(rows, number, flags)
        for name, result in results.items():
            print(
                f'| {number:,} | {name} | {result.median("seconds"):.2f} | '
                f'{result.median("start"):.2f} | {result.median("inertia"):.3f} | '
                f'{result.median("usage"):.1%} |',
                flush=True,
            )
        found += problems(number, results)
    if flags.check and found:
        raise SystemExit('\n'.join(found))


if __name__ == '__main__':
    main()
