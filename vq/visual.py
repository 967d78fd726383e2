"""Scalars and pictures for TensorBoard, W&B and others, by mmengine's backends."""

import importlib
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from einops import rearrange
from mmengine.config import Config as MMEngineConfig
from mmengine.registry import VISBACKENDS
from mmengine.visualization.vis_backend import BaseVisBackend, WandbVisBackend
from torch import Tensor

from vq import dry_run
from vq.config import Config
from vq.config.errors import nearest

Kind = Literal['train', 'val']
# Backends that keep runs, and what is imported for each, which may register it.
# The package's name is that of our extra, too.
TRACKERS = dict(
    WandbVisBackend='wandb', SwanlabVisBackend='swanlab.integration.mmengine'
)


class Visualizer:
    """Writes to several of mmengine's Visualizer backends at once.

    A backend is opened when something is first written. W&B and SwanLab get the run's
    name, a group and the config, where `init_kwargs` say nothing else (None is nothing
    said), and an id that stays in the folder, so that a resumed run goes on there. A
    dry run stays offline.

    Args:
        work_dir: The run's folder; a backend's files lie in a folder below it,
            TensorBoard's in `tensorboard/`.
        backends: Configs, such as `dict(type='TensorboardVisBackend')`.
        name: Of the run.
        config: Its hyper-parameters, which backends show.
        kind: A training and its validation by another process are two runs.

    Raises:
        ValueError: There is no such backend, or its package is not installed.
    """

    def __init__(
        self,
        work_dir: Path,
        backends: Sequence[Mapping[str, Any]],
        *,
        name: str = '',
        config: Config | None = None,
        kind: Kind = 'train',
    ) -> None:
        self._backends: list[BaseVisBackend] = []
        self._packages: list[ModuleType | None] = []
        for cfg in backends:
            arguments = dict(cfg)
            type_ = arguments.pop('type')
            folder = work_dir / type_.removesuffix('VisBackend').lower()
            package = _package(type_)
            if package is not None:
                given = _plain(arguments.get('init_kwargs') or {})
                if isinstance(tag := given.get('tags'), str):
                    given['tags'] = [tag]  # of which W&B would make its letters
                arguments['init_kwargs'] = dict(
                    id=_id(folder / f'{kind}_id'),
                    resume='allow',
                    name=name or None,
                    group=name.removesuffix(f'/{kind}') or None,
                    job_type=kind,
                    config=None if config is None else _plain(config.tree),
                ) | {key: value for key, value in given.items() if value is not None}
                if dry_run.enabled() and given.get('mode') != 'disabled':
                    arguments['init_kwargs']['mode'] = 'offline'
            backend = _class(type_)(**{'save_dir': str(folder), **arguments})
            if package is None and config is not None:
                backend.add_config(_Shown(config))
            self._backends.append(backend)
            self._packages.append(package)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add scalars, named `group/name`."""
        with _own_interrupt():
            for backend in self._backends:
                backend.add_scalars(dict(values), step=step)

    def image(self, name: str, image: Tensor, step: int) -> None:
        """Add a picture, uint8, (3, h, w)."""
        picture = rearrange(image, 'c h w -> h w c').cpu().numpy()
        with _own_interrupt():
            for backend in self._backends:
                backend.add_image(name, picture, step=step)

    def close(self) -> None:
        """Write out what is held back, and close."""
        for backend, package in zip(self._backends, self._packages, strict=True):
            if package is None:
                backend.close()
            elif backend._env_initialized:
                package.finish()  # the backends themselves leave a run open
        self._backends.clear()
        self._packages.clear()


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Leave Ctrl-C to who has it: SwanLab takes it over, and ends its run at once."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)


class _Wandb(WandbVisBackend):  # type: ignore[misc]
    """Says to which iteration a number belongs, which mmengine's leaves out.

    Not by W&B's own steps, which cannot go back, as a resumed run does.
    """

    def __init__(self, save_dir: str, **options: Any) -> None:
        steps = [dict(name='*', step_metric='iteration')]
        options = {'define_metric_cfg': steps, **options}
        # W&B itself adds a folder `wandb`.
        own = dict(dir=str(Path(save_dir).parent)) | options.pop('init_kwargs', {})
        super().__init__(save_dir, init_kwargs=own, **options)

    def add_scalars(
        self, scalar_dict: Mapping[str, float], step: int = 0, **kwargs: Any
    ) -> None:
        """Add scalars, all of one iteration."""
        self.experiment.log({**scalar_dict, 'iteration': step})

    def add_image(self, name: str, image: Any, step: int = 0, **kwargs: Any) -> None:
        """Add a picture, (h, w, 3)."""
        wandb = self.experiment
        wandb.log({name: wandb.Image(image), 'iteration': step})


class _Shown(MMEngineConfig):  # type: ignore[misc]
    """A config whose text, as backends show it, is our own."""

    def __init__(self, config: Config) -> None:
        super().__init__(_plain(config.tree))
        object.__setattr__(self, '_shown', config.text)

    @property
    def pretty_text(self) -> str:
        """The config as a Python file."""
        return str(object.__getattribute__(self, '_shown'))


def _class(type_: str) -> type[BaseVisBackend]:
    if type_ == 'WandbVisBackend':
        return _Wandb
    found: type[BaseVisBackend] | None = VISBACKENDS.module_dict.get(type_)
    if found is None:
        known = {*VISBACKENDS.module_dict, *TRACKERS}
        hint = nearest(type_, sorted(known))
        raise ValueError(f'there is no backend called {type_!r}; {hint}')
    return found


def _package(type_: str) -> ModuleType | None:
    """Import what a backend comes with; None if it keeps no runs."""
    if type_ not in TRACKERS:
        return None
    name = TRACKERS[type_].split('.')[0]
    try:
        importlib.import_module(TRACKERS[type_])
    except ImportError as error:
        raise ValueError(f"{type_} needs {name}: pip install 'vq[{name}]'") from error
    return importlib.import_module(name)


def _id(file: Path) -> str:
    """Return the id that a file keeps, a new one if there is no file yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(uuid.uuid4().hex[:8])
    return file.read_text().strip()


def _plain(tree: Any) -> Any:
    """Return a tree of plain dicts and lists."""
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_plain(item) for item in tree]
    return tree
