"""Are generated digits those asked for? A support vector machine reads them.

    python tools/read_digits.py

It is fitted to the pixels of the real training digits, and reads digits that it has
not seen: real ones, their reconstructions, and those that `make demo` has generated.
Beside it stands how many generated digits are copies of a training digit.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.svm import SVC
from torch import Tensor

from vq import checkpoints, images, paths
from vq.config import load
from vq.datasets import FolderDataset, TokenDataset
from vq.registry import MODELS

CONFIG = 'configs/demo/vqgan_digits.py'
RUNS = 'work_dirs/demo'
BATCH = 128
SAME = 1  # of 255 grey levels: what rounding makes of one and the same grid of tokens

# Pictures, uint8, (n, 3, h, w), and the classes that they are of, (n,).
Digits = tuple[Tensor, Tensor]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='read_digits.py',
        description='Have a support vector machine read generated digits.',
    )
    for name, default, text in (
        ('data', 'data/digits', 'train/CLASS/*.png and val/CLASS/*.png, real digits'),
        ('generated', f'{RUNS}/generated', 'CLASS/*.png, generated digits'),
        ('model', f'{RUNS}/digits/checkpoints/latest', "the tokenizer's weights"),
        ('tokens', f'{RUNS}/digits_test/tokens', 'those of the held-out digits'),
        (
            'train-tokens',
            f'{RUNS}/digits_tokenize_train/tokens',
            'those of the training digits',
        ),
        ('out', f'{RUNS}/reading.json', 'file for the figures'),
    ):
        help_ = f'{text} (default %(default)s)'
        parser.add_argument(f'--{name}', default=default, metavar='PATH', help=help_)
    return parser


def read_digits(folder: Path) -> Digits:
    """Return the pictures of a folder that has one folder a class."""
    dataset = FolderDataset(data_root=str(folder), transforms=[])
    numbers = range(len(dataset))
    pictures = torch.stack([dataset.read(i) for i in numbers])
    return pictures, torch.tensor([dataset.category(i) for i in numbers])


@torch.no_grad()
def reconstruct(model: Any, store: TokenDataset) -> Digits:
    """Return what a model makes of the tokens of a store."""
    tokens, classes, _ = zip(*(store[i] for i in range(len(store))), strict=True)
    parts = [
        images.to_uint8(model.decode(model.tokenizer.tokens_to_latent(part)))
        for part in torch.stack(tokens).split(BATCH)
    ]
    return torch.cat(parts), torch.tensor(classes)


def load_tokenizer(weights: Path) -> Any:
    """Return the demo's tokenizer with its decoder."""
    model = MODELS.build(load(paths.ROOT / CONFIG).validator.model)
    state = checkpoints.read_weights([weights])
    model.load_state_dict(checkpoints.match(model, state)[1])
    return model.eval()


def flat(pictures: Tensor) -> Tensor:
    """Return pixels as numbers in [0, 1], (n, d)."""
    return pictures.flatten(1).float() / 255


def recognised(reader: SVC, digits: Digits) -> Tensor:
    """Return which digits are read as what they are, (n,)."""
    pictures, classes = digits
    return torch.from_numpy(reader.predict(flat(pictures).numpy())) == classes


def nearest(pictures: Tensor, others: Tensor, power: float) -> Tensor:
    """Return the distance of each picture to the nearest of others, (n,)."""
    return torch.cdist(flat(pictures) * 255, flat(others) * 255, p=power).amin(1)


def measure(
    real: Sequence[Digits], decoded: Sequence[Digits], generated: Digits
) -> dict[str, Any]:
    """Return all figures.

    Args:
        real: The training digits and the held-out ones.
        decoded: Their reconstructions.
        generated: With the classes asked for.
    """
    train, held_out = real
    reader = SVC().fit(flat(train[0]).numpy(), train[1].numpy())
    right = recognised(reader, generated)
    by_class = [right[generated[1] == k].float().mean().item() for k in range(10)]
    seen, unseen = (pictures for pictures, _ in decoded)
    root = math.sqrt(seen[0].numel())
    copies = nearest(generated[0], seen, math.inf) <= SAME
    return dict(
        number=len(right),
        real=recognised(reader, held_out).float().mean().item(),
        reconstructed=recognised(reader, decoded[1]).float().mean().item(),
        generated=right.float().mean().item(),
        by_class=by_class,
        copies=copies.float().mean().item(),
        distance_generated=nearest(generated[0], seen, 2).median().item() / root,
        distance_held_out=nearest(unseen, seen, 2).median().item() / root,
    )


def describe(figures: dict[str, Any]) -> dict[str, str]:
    """Say the figures in words, by name."""
    by_class = ', '.join(f'{k}: {x:.0%}' for k, x in enumerate(figures['by_class']))
    return {
        'real digits read': f'{figures["real"]:.1%}, held-out ones',
        'reconstructions read': f'{figures["reconstructed"]:.1%}',
        'generated digits read': f'{figures["generated"]:.1%} of {figures["number"]} '
        f'as the class asked for ({by_class})',
        'copies': f'{figures["copies"]:.1%} of them equal a training digit; the '
        f'nearest one is {figures["distance_generated"]:.0f} grey levels away, from '
        f'held-out digits {figures["distance_held_out"]:.0f}',
    }


def main() -> None:
    """Run the command."""
    args = parser().parse_args()
    data, out = paths.resolve(args.data), paths.resolve(args.out)
    model = load_tokenizer(paths.resolve(args.model))
    stores = [TokenDataset(args.train_tokens), TokenDataset(args.tokens)]
    figures = measure(
        [read_digits(data / split) for split in ('train', 'val')],
        [reconstruct(model, store) for store in stores],
        read_digits(paths.resolve(args.generated)),
    )
    checkpoints.write_json(out, figures)
    for name, text in describe(figures).items():
        print(f'{name}: {text}')


if __name__ == '__main__':
    main()
