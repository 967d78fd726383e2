"""Config files in a temporary repository, and small classes to check them against."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from vq import paths, registry

Write = Callable[[str, str], Path]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own, so that sources and messages show short names."""
    folder = tmp_path.resolve()
    monkeypatch.setattr(paths, 'ROOT', folder)
    return folder


@pytest.fixture
def write(root: Path) -> Write:
    """Return a function that writes a file of the repository."""

    def write_file(name: str, text: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write_file


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what is registered by a few small classes."""
    models = registry.Registry('model', location='vq.paths')
    runners = registry.Registry('runner', location='vq.paths', aliases=['VQIT'])

    @models.register_module()
    class Decoder:
        def __init__(self, *, width: int, depth: int = 1) -> None: ...

    @models.register_module()
    class System:
        def __init__(self, *, decoder: dict[str, int], parts: object = ()) -> None: ...

    @models.register_module()
    class Anything:
        def __init__(self, **kwargs: int) -> None: ...

    @runners.register_module()
    class Trainer:
        def __init__(
            self,
            *,
            job: object,
            model: object,
            dataset: object = None,
            dataloader: object = None,
            optimizers: object = None,
            schedulers: object = None,
            iters: int = 8,
        ) -> None: ...

    monkeypatch.setattr(registry, 'ALL', (models, runners))
