"""The config of converted weights: a shipped one that fits, or a new small file."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vq import paths
from vq.config import ConfigError, load
from vq.config.printing import lines
from vq.conversion import proposals, structure

BASES = {
    'VQGAN': (
        'models/vqgan.py',
        'datasets/imagenet.py',
        'augment/strong.py',
        'schedules/vqgan.py',
        'strategies/ddp.py',
        'runtime.py',
    ),
    'VQKD': (
        'models/vqkd.py',
        'datasets/imagenet.py',
        'augment/default_224.py',
        'schedules/vqkd.py',
        'strategies/ddp.py',
        'runtime_features.py',
    ),
    'ProposalNetwork': (
        'datasets/imagenet.py',
        'augment/weak.py',
        'schedules/ar.py',
        'strategies/ddp.py',
        'runtime_proposal.py',
        'proposal.py',
    ),
}
# Arguments of a quantizer that change what it computes but no shape.
_MEANING = ('normalize', 'distance')
_ADVERSARIAL = ('discriminator', 'adversarial_loss', 'adversarial_weight')
_PARTS = (
    'tokenizer.encoder',
    'tokenizer.post_encode',
    'pre_decode',
    'decoder',
    'discriminator',
)


def choose(
    model: Mapping[str, Any], folder: Path | None = None, *, discriminator: bool = True
) -> Path | None:
    """Return the shipped config whose network is that of a model's config.

    Names and shapes of all weights are the same, and so is what the parts compute; of a
    proposal network its transformer is compared, as its tokenizer is another file's.
    Where several fit, one for ImageNet is preferred, then the shortest name.

    Args:
        model: Config of the model.
        folder: Where to look; the repository's configs/ by default.
        discriminator: Compare that, too; False takes a config whose network is the
            same but for it.
    """
    shipped = _shipped(folder or paths.ROOT / 'configs')
    if model['type'] == 'ProposalNetwork':
        fitting = _same_transformer(model, shipped)
    else:
        fitting = _same_network(model, shipped, discriminator=discriminator)
    fitting.sort(key=lambda p: ('imagenet' not in p.stem, len(p.stem), str(p)))
    return fitting[0] if fitting else None


def _same_network(
    model: Mapping[str, Any],
    shipped: Iterable[tuple[Path, Mapping[str, Any]]],
    *,
    discriminator: bool,
) -> list[Path]:
    wanted, sizes = _network(model), _sizes(model, discriminator)
    fitting = []
    for path, other in shipped:
        if _sizes(other, discriminator) != sizes:
            continue
        compared = dict(other)
        if not discriminator and 'discriminator' in other:
            compared['discriminator'] = None
        if same(_network(compared), wanted):
            fitting.append(path)
    return fitting


def _same_transformer(
    model: Mapping[str, Any], shipped: Iterable[tuple[Path, Mapping[str, Any]]]
) -> list[Path]:
    wanted = proposals.computes(model)
    return [
        path
        for path, other in shipped
        if other['type'] == model['type'] and proposals.computes(other) == wanted
    ]


def same(one: nn.Module, other: nn.Module) -> bool:
    """Tell whether two networks take the same weights and compute the same of them."""
    shapes = [
        {key: value.shape for key, value in model.state_dict().items()}
        for model in (one, other)
    ]
    return shapes[0] == shapes[1] and _computes(one) == _computes(other)


def text(model: Mapping[str, Any], title: str, shipped: Path | None = None) -> str:
    """Return a config file for a model.

    Args:
        model: Config of the model.
        title: The file's first line.
        shipped: A config of the same network but for its discriminator, which the model
            lacks: the file says that there is none. By default it says everything.
    """
    fragments: dict[str, Any]
    if shipped is None:
        bases = [f'configs/_base_/{base}' for base in BASES[model['type']]]
        # A proposal network's tokenizer is that of its base.
        whole = {} if model['type'] == 'ProposalNetwork' else {'_delete_': True}
        fragments = dict(_base_=bases, model={**whole, **model})
    else:
        none = dict.fromkeys(_ADVERSARIAL)
        fragments = dict(_base_=[str(_relative(shipped))], model=none)
    if model['type'] == 'VQGAN' and not model.get('discriminator'):
        base = load(shipped or paths.ROOT / 'configs' / 'vqgan/1024_imagenet_ddp.py')
        generator = base.trainer.optimizers['generator'].to_dict()
        fragments['optimizers'] = dict(_delete_=True, generator=generator)
    body = (
        line.text
        for name, value in fragments.items()
        for line in lines(value, prefix=f'{name} = ')
    )
    return '\n'.join([f'"""{title}"""', '', *body]) + '\n'


def _relative(path: Path) -> Path:
    return path.relative_to(paths.ROOT) if path.is_relative_to(paths.ROOT) else path


def _shipped(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield each config that loads without options, and its model's config."""
    for path in sorted(folder.rglob('*.py')):
        if '_base_' in path.parts:
            continue
        try:
            config = load(path)
        except ConfigError:  # it demands options, and has no model before it has them
            continue
        if 'trainer' in config and 'model' in config.trainer:
            yield path, config.trainer.model


def _sizes(model: Mapping[str, Any], discriminator: bool) -> tuple[Any, ...]:
    """Return what tells most networks apart without building them."""
    quantizer = (model.get('tokenizer') or {}).get('quantizer') or {}
    keys = ('type', 'codebook_size', 'dim')
    kind = (model.get('discriminator') or {}).get('type')
    return (
        model['type'],
        discriminator and kind,
        model.get('teacher'),
        *(quantizer.get(key) for key in keys),
    )


def _network(model: Mapping[str, Any]) -> nn.Module:
    return structure.build(structure.without_losses(model))


def _computes(model: nn.Module) -> list[Any]:
    parts = [
        repr(getattr(parent, path.rpartition('.')[2], None))
        for path in _PARTS
        for parent in [model.get_submodule(path.rpartition('.')[0])]
    ]
    quantizer = model.get_submodule('tokenizer.quantizer')
    meaning = [getattr(quantizer, name, None) for name in _MEANING]
    return [*parts, type(quantizer), *meaning]
