"""Commands on a tiny decoder of a frozen tokenizer, run in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vq import cli, paths, train

CONFIG = Path(__file__).with_name('tiny_decoder.py')
# The same network, trained whole: what makes the tokenizer.
WHOLE = [
    '.trainer.model.frozen:[]',
    ".trainer.optimizers.generator.params:['tokenizer','pre_decode','decoder']",
]
TOKENIZER = 'work_dirs/tokenizer/checkpoints/iter_2/model.pth'
DECODER = 'work_dirs/decoder/checkpoints/iter_4'
ANEW = '.trainer.callbacks[-1].load_state_dict:dict(strict=False)'


def run(module: Any, name: str, *words: str | Path) -> None:
    """Run a command of the decoder's config in this process, errors as they are."""
    parser: Callable[[], Any] = getattr(cli, f'{name}_parser')
    module.run(parser().parse_args([str(word) for word in words]))


def train_decoder(name: str, *words: str, iters: int = 4) -> None:
    """Run `vq.train NAME CONFIG` for some iterations."""
    run(train, 'train', name, CONFIG, *words, '--override', f'.trainer.iters:{iters}')


def train_on_ranks(root: Path) -> None:
    """Train the decoder on this rank."""
    paths.ROOT = root
    train_decoder('ranks', '--load-model-from', TOKENIZER)
