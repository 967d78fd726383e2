"""The shape of the house: layers, light modules, file lengths, docstrings."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / 'vq').rglob('*.py'))
MAX_LINES = 300
LIGHT = ['vq', 'vq.cli', 'vq.launcher', 'vq.paths', 'vq.dry_run']
HEAVY = ['torch', 'torchvision', 'mmengine', 'numpy', 'cv2', 'PIL', 'transformers']

Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def name(path: Path) -> str:
    """Return a file's name as tests show it."""
    return str(path.relative_to(ROOT))


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, in the repository."""
    return subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """Yield a module, its public classes and functions, and their public methods."""
    yield 'the module', tree
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        if node.name.startswith('_'):
            continue
        yield node.name, node
        for member in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(member, ast.FunctionDef) and member.name[0] != '_':
                yield f'{node.name}.{member.name}', member


def test_imports_point_down() -> None:
    command = 'from importlinter.cli import lint_imports; '
    result = python(command + 'raise SystemExit(lint_imports(no_cache=True))')
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize('module', LIGHT)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f'import sys, {module}; print(*set({HEAVY}) & sys.modules.keys())'
    result = python(code)
    assert (result.stdout.strip(), result.stderr) == ('', '')


@pytest.mark.parametrize('path', FILES, ids=name)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f'{name(path)} has {lines} lines; split it'


@pytest.mark.parametrize('path', FILES, ids=name)
def test_public_names_have_docstrings(path: Path) -> None:
    nodes = public(ast.parse(path.read_text()))
    bare = [title for title, node in nodes if ast.get_docstring(node) is None]
    assert not bare, f'{name(path)}: without a docstring: {bare}'


@pytest.mark.parametrize('path', FILES, ids=name)
def test_imports_are_explicit(path: Path) -> None:
    stars = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.names[0].name == '*'
    ]
    assert not stars, f'{name(path)}: import * in lines {stars}'
