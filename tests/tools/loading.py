"""Programs as modules: tools and benchmarks are in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

TOOLS = Path(__file__).parents[2] / 'tools'


def load_program(path: Path) -> ModuleType:
    """Return a program as a module; as Python does, it may import its neighbours."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert path.is_file() and spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with patch.object(sys, 'path', [str(path.parent), *sys.path]):
        spec.loader.exec_module(module)
    return module


def load_tool(name: str) -> ModuleType:
    """Return a tool as a module."""
    return load_program(TOOLS / f'{name}.py')
