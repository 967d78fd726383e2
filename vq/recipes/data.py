"""The data of taming-transformers' and MoVQGAN's settings."""

from typing import Any

from vq.recipes.ledger import Ledger
from vq.recipes.recipe import IMAGENET, Options, Recipe, squares

# Data sets by a word in the name of the original's class.
_KNOWN = dict(
    ImageNet='imagenet', FacesHQ='hq_faces', FFHQ='ffhq', CelebAHQ='celeba_hq'
)
_NAMED = ('training_images_list_file', 'test_images_list_file', 'df_path')
_SIZES = ('size', 'image_size', 'config.size')
_PARTS = dict(train=('train',), val=('validation', 'val', 'test'))


class Data:
    """What a training looks at.

    Attributes:
        batch_size: Of one process.
        images: In the training set, where it is known.
    """

    def __init__(
        self,
        ledger: Ledger,
        recipe: Recipe,
        options: Options,
        *,
        resolution: int,
        augment: bool,
    ) -> None:
        at = 'data.params.' if 'data.target' in ledger.leaves else 'data.'
        ledger.same('data.target', 'fragments of configs say each data set')
        self.batch_size = self._batch_size(ledger, at)
        self.images = options.images
        size = resolution
        found: dict[str, tuple[str, str]] = {}
        for part, names in _PARTS.items():
            for name in names:
                size = _size(ledger, f'{at}{name}.', size)
                table, base = _source(ledger, f'{at}{name}.', part)
                if table or base:
                    found.setdefault(part, (table, base))
        self._choose(ledger, recipe, found)
        recipe.want(**squares(size, augment=augment))
        name = 'weak' if augment else 'none'
        recipe.bases.append(f'augment/{name}.py')
        ledger.remark('augmentation', f'that of augment/{name}.py; nothing tells')
        workers = [f'{at}num_workers', f'{at}train.num_workers']
        number = [ledger.take(key, 'train_dataloader.num_workers') for key in workers]
        if any(number):
            number_of = int(next(n for n in number if n))
            recipe.want(train_dataloader=dict(num_workers=number_of))
            recipe.want(val_dataloader=dict(num_workers=number_of))

    @staticmethod
    def _batch_size(ledger: Ledger, at: str) -> int:
        place = 'train_dataloader.batch_size'
        ledger.same(f'{at}train.shuffle', 'training always shuffles')
        ledger.leave(f'{at}wrap', 'an epoch here is the data set, once')
        told = [
            ledger.take(key, place)
            for key in (f'{at}batch_size', f'{at}train.batch_size')
        ]
        for part in _PARTS['val']:
            ledger.same(f'{at}{part}.batch_size', 'validation takes that of training')
            ledger.same(f'{at}{part}.num_workers', 'validation takes that of training')
            ledger.same(f'{at}{part}.shuffle', 'validation never shuffles')
        number = next((value for value in told if value), None)
        if number is None:
            ledger.remark('batch size', 'not told: 1 for each process')
        return int(number or 1)

    def _choose(
        self, ledger: Ledger, recipe: Recipe, found: dict[str, tuple[str, str]]
    ) -> None:
        if not found:
            recipe.bases.append('datasets/imagenet.py')
            ledger.remark('data', 'none known there: ImageNet; another of datasets/')
            return
        table, base = found.get('train') or found['val']
        recipe.bases.append(f'datasets/{base or "csv"}.py')
        if base == 'imagenet':
            self.images = self.images or IMAGENET
        if not table:
            return
        other = found.get('val', ('', ''))[0]
        if not other:
            ledger.remark('validation', 'no images of its own: those of training')
        recipe.want(train_dataset=dict(csv=table), val_dataset=dict(csv=other or table))
        ledger.remark('tables', 'a relative path lies below the repository')


def _size(ledger: Ledger, at: str, size: int) -> int:
    for name in _SIZES:
        for key in (f'{at}{name}', f'{at}params.{name}', f'{at}params.config.{name}'):
            place = 'train_dataset.transforms'
            size = int(ledger.take(key, place, default=size))
    return size


def _source(ledger: Ledger, at: str, part: str) -> tuple[str, str]:
    """Return a table of images, or the fragment of a data set that is known."""
    for name in _NAMED:
        for key in (f'{at}{name}', f'{at}params.{name}', f'{at}params.config.{name}'):
            table = ledger.take(key, f'{part}_dataset.csv')
            if table:
                ledger.same(f'{at}target', 'CSVDataset')
                if name != 'df_path':
                    told = 'a list without names of columns; its first line shall be '
                    ledger.remark(f'{table}', f"{told}'image_name'")
                return str(table), ''
    target = str(ledger.get(f'{at}target', ''))
    name = target.rpartition('.')[2]
    for word, base in _KNOWN.items():
        if word in name:
            ledger.same(f'{at}target', f'datasets/{base}.py')
            return '', base
    ledger.leave(f'{at}target', 'no data set here; CSVDataset reads lists of images')
    return '', ''


def batches(ledger: Ledger, recipe: Recipe, total: int) -> None:
    """Put the images of an iteration into a recipe, all processes together."""
    recipe.want(train_dataloader=dict(batch_size=total))
    recipe.want(val_dataloader=dict(batch_size=total))
    ledger.remark('batch size', f'{total}, of all processes together')


def learning_rate(
    ledger: Ledger, options: Options, total: int, keys: tuple[str, ...]
) -> float | None:
    """Return the learning rate, and account for the keys that tell it.

    Args:
        ledger: The account.
        options: Of the command line.
        total: Images of an iteration, as the rule of `base_learning_rate` counts them.
        keys: That may say it as it is; `model.base_learning_rate` is multiplied.
    """
    place = 'optimizers.generator.lr'
    told: list[Any] = [ledger.take(key, place) for key in keys]
    base = ledger.take('model.base_learning_rate', place)
    if base is not None and not any(told):
        rate = float(base) * (total if options.scale_lr else 1)
        # So that 4.5e-6 * 12 is written as people write it.
        return float(f'{rate:.10g}')
    return next((float(value) for value in told if value), None)
