"""How much faster a proposal network trains from a token store than online.

    python benchmarks/ar_train.py

Online a frozen convolutional encoder makes the tokens of each batch of images; a token
store has them. Both ways train the same network with the same seed, in turns, so that
their losses must be equal. Sizes are small; those of a real run on a GPU are

    python benchmarks/ar_train.py --size 256 --width 128 --dim 768 --depth 12 --heads 12

An iteration's time is the median of all, without the first of each turn; on the CPU it
is processor time, which waiting for a core leaves out, unless others read the data.
"""

import argparse
import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vq.callbacks.base import Callback
from vq.checkpoints import only
from vq.checkpoints.files import write_safetensors
from vq.config import Config
from vq.registry import MODELS, RUNNERS
from vq.runners import Job, Runner, Trainer

LEVELS = 4  # of the encoder: a token stands for 8 x 8 pixels
CODES, DIM = 1024, 32  # of the codebook
CLASSES = 10
FROZEN = ('tokenizer', 'pre_decode', 'decoder')
WAYS = ('online', 'store')


@dataclass
class Result:
    """What was measured of one way.

    Attributes:
        seconds: Of each iteration.
        losses: Of each iteration of the last turn.
    """

    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Clock(Callback):
    """Notes when iterations end, and their losses."""

    def __init__(self, result: Result, clock: Callable[[], float]) -> None:
        self._result = result
        self._clock = clock
        self._last: float | None = None
        result.losses.clear()

    def after_train_iter(
        self, runner: Trainer, batch: Any, logs: Mapping[str, Tensor]
    ) -> None:
        """Note one; reading the loss waits for the device."""
        self._result.losses.append(float(logs['total']))
        now = self._clock()
        if self._last is not None:
            self._result.seconds.append(now - self._last)
        self._last = now


def model_config(flags: argparse.Namespace) -> dict[str, Any]:
    """Return a proposal network of 8x8-pixel tokens."""
    side = flags.size // 2 ** (LEVELS - 1)
    mults = (1, 1, 2, 2)
    conv = dict(width=flags.width, depth=1, latent_dim=64, norm_groups=8)
    return dict(
        type='ProposalNetwork',
        tokenizer=dict(
            type='ImageTokenizer',
            encoder=dict(type='ConvEncoder', width_mults=mults, **conv),
            post_encode=dict(type='Connector', in_dim=64, out_dim=DIM),
            quantizer=dict(type='VectorQuantizer', codebook_size=CODES, dim=DIM),
        ),
        pre_decode=dict(type='Connector', in_dim=DIM, out_dim=64),
        decoder=dict(type='ConvDecoder', width_mults=mults[::-1], **conv),
        transformer=dict(
            type='Llama',
            dim=flags.dim,
            depth=flags.depth,
            heads=flags.heads,
            grid=(side, side),
        ),
        classes=CLASSES,
        class_dropout=0.1,
    )


def build(config: Mapping[str, Any], folder: Path, weights: Path) -> Any:
    """Build a runner of the network, with the weights of its frozen parts."""
    empty = Config({}, path=folder / 'ar_train.py', sources=None)  # type: ignore[arg-type]
    runner: Runner = RUNNERS.build(config, job=Job('ar_train', folder, empty))
    runner.load_weights([weights], strict=False)
    return runner


def write_store(common: Mapping[str, Any], folder: Path, weights: Path) -> float:
    """Write the token store; return the seconds that it took."""
    callbacks = [dict(type='TokenCallback')]
    config = dict(common, type='Tokenizer', callbacks=callbacks)
    tokenizer = build(config, folder, weights)
    start = time.perf_counter()
    tokenizer.run()
    return time.perf_counter() - start


def measure(flags: argparse.Namespace, folder: Path) -> tuple[dict[str, Result], float]:
    """Train in both ways, in turns; return figures, and seconds of writing the store.

    Args:
        flags: The parsed arguments.
        folder: For the store and the runs.
    """
    model = model_config(flags)
    images = dict(
        type='SyntheticDataset',
        length=flags.images,
        size=flags.size,
        transforms=[],
        num_classes=CLASSES,
    )
    common = dict(
        model=model,
        dataset=images,
        dataloader=dict(batch_size=flags.batch, num_workers=flags.workers),
        strategy=dict(type='DDPStrategy', autocast='auto' if flags.autocast else None),
    )
    torch.manual_seed(0)
    weights = folder / 'frozen.safetensors'
    write_safetensors(weights, only(MODELS.build(model).state_dict(), FROZEN))
    written = write_store(common, folder, weights)
    datasets = dict(
        online=images, store=dict(type='TokenSampleDataset', root=f'{folder}/tokens')
    )
    results = {way: Result() for way in WAYS}
    alone = not (torch.cuda.is_available() or flags.workers)
    clock = time.process_time if alone else time.perf_counter
    optimizer = dict(type='AdamW', lr=1e-4, params=['transformer'])
    for _ in range(flags.repeats):
        for way, dataset in datasets.items():
            config = common | dict(
                type='Trainer',
                dataset=dataset,
                optimizers=dict(transformer=optimizer),
                iters=flags.iters + 1,
            )
            trainer = build(config, folder / way, weights)
            trainer.callbacks.append(Clock(results[way], clock))
            trainer.run()
    return results, written


def table(results: Mapping[str, Result], tokens: int) -> str:
    """Return the results as text.

    Args:
        results: By way.
        tokens: Of a batch.
    """
    online = statistics.median(results['online'].seconds)
    lines = ['way      tokens/s   ratio  s/iteration']
    for way, result in results.items():
        seconds = statistics.median(result.seconds)
        lines.append(
            f'{way:6}  {tokens / seconds:9,.0f}  {online / seconds:6.2f}  '
            f'{seconds:11.4f}'
        )
    return '\n'.join(lines)


def problems(results: Mapping[str, Result]) -> list[str]:
    """Return what is not as it must be."""
    online, store = (results[way] for way in WAYS)
    found = []
    if online.losses != store.losses:
        found.append(f'losses differ: {online.losses} online, {store.losses} stored')
    ratio = statistics.median(online.seconds) / statistics.median(store.seconds)
    if ratio < 1:
        found.append(f'the store is slower: {ratio:.2f} times the tokens/s')
    return found


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = {
        'size': (64, 'pixels'),
        'width': (32, 'of the encoder'),
        'dim': (128, 'of the transformer'),
        'depth': (4, 'of the transformer'),
        'heads': (4, 'of the transformer'),
        'batch': (16, 'images'),
        'images': (64, 'of the data set'),
        'iters': (6, 'iterations a turn'),
        'repeats': (3, 'turns'),
        'workers': (0, 'reading processes'),
        'threads': (1, 'of the process'),
    }
    for name, (default, text) in numbers.items():
        help_ = f'{text} (default %(default)s)'
        parser.add_argument(f'--{name}', type=int, default=default, help=help_)
    parser.add_argument('--autocast', action='store_true', help='train in bf16')
    parser.add_argument(
        '--check', action='store_true', help='fail where the store is slower'
    )
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, and print a table."""
    flags = parse()
    torch.set_num_threads(flags.threads)
    logging.basicConfig(level=logging.ERROR)
    folder = Path(tempfile.mkdtemp())
    try:
        results, written = measure(flags, folder)
    finally:
        shutil.rmtree(folder)
    side = flags.size // 2 ** (LEVELS - 1)
    print(table(results, flags.batch * side**2))
    print(f'writing the store: {flags.images / written:,.0f} images/s, once')
    if flags.check and (found := problems(results)):
        raise SystemExit('\n'.join(found))


if __name__ == '__main__':
    main()
