"""One config file: parsed, its placeholders filled in the syntax tree, executed."""

import ast
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vq import paths
from vq.config.errors import ConfigError
from vq.config.overrides import format_word, parse_literal
from vq.config.tree import Key, Node, Sources, dotted, wrap

PLACEHOLDER = re.compile(
    r'\{\{\$(\w+)(?::((?:(?!\{\{\$).)*?))?\}\}(?!\})', flags=re.DOTALL
)
_BRACES = re.compile(r'\{\{.*\}\}', flags=re.DOTALL)
_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_PATH_OPTIONS = ('config', 'state_dict', 'root', 'path')
_NO_BASE_VARIABLES = (
    'values of base files cannot be read here; write the value out, '
    'or declare an option: {{$name:default}}'
)


@dataclass(frozen=True, slots=True)
class File:
    """What one config file says by itself.

    Attributes:
        path: Where it lies.
        name: How messages call it: relative to the repository.
        bases: Its `_base_`, as written.
        fragments: Its top-level names.
        options: The names of its placeholders.
    """

    path: Path
    name: str
    bases: list[str]
    fragments: dict[str, Node]
    options: set[str]


def display(path: Path) -> str:
    """Return the name of a file relative to the repository, if it lies there."""
    inside = path.is_relative_to(paths.ROOT)
    return str(path.relative_to(paths.ROOT) if inside else path)


def read(path: Path, options: Mapping[str, Any]) -> File:
    """Read one config file, without its bases.

    Args:
        path: The file.
        options: Values for placeholders; each file picks those it declares.

    Raises:
        ConfigError: It is no valid config file, or needs an option.
    """
    name = display(path)
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        raise _unreadable(name, error) from error
    _refuse_code(tree, name)
    sources = Sources({(): name})
    for key, option in _filled_leaves(tree, options):
        word = format_word(option, options[option])
        sources[key] = f'--config-options {word}'
    filler = _Filler(name, options)
    tree = ast.fix_missing_locations(filler.visit(tree))
    if filler.missing:
        raise ConfigError(_needs(name, sorted(filler.missing), options))
    namespace = _execute(tree, path, name, filler.values)
    bases = _bases(namespace.get('_base_', []), name)
    fragments = {}
    for fragment, value in namespace.items():
        if not fragment.startswith('_'):
            _refuse_objects(value, (fragment,), name)
            fragments[fragment] = wrap(value, sources, (fragment,))
    return File(path, name, bases, fragments, filler.declared)


class _Filler(ast.NodeTransformer):
    """Replaces placeholders by names that are bound to the options' values.

    So a value keeps its type, whatever it is, and never becomes code.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self._name = name
        self._options = options
        self.declared: set[str] = set()
        self.missing: set[str] = set()
        self.values: dict[str, Any] = {}

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Leave docstrings as they are."""
        is_docstring = isinstance(node.value, ast.Constant)
        return node if is_docstring else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Fill the literal parts of an f-string, which must stay strings."""
        for part in node.values:
            if isinstance(part, ast.Constant):
                part.value = PLACEHOLDER.sub(self._as_text, str(part.value))
            else:
                self.generic_visit(part)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Fill a string."""
        if not isinstance(node.value, str) or '{{' not in node.value:
            return node
        self._refuse_other_braces(node.value, node.lineno)
        whole = PLACEHOLDER.fullmatch(node.value)
        if whole is None:
            text = PLACEHOLDER.sub(self._as_text, node.value)
            return ast.copy_location(ast.Constant(text), node)
        name, default = whole.groups()
        value = self._lookup(name, default)
        if default is not None and name not in self._options:
            value = _typed(default)
        bound = f'_option_{len(self.values)}'
        self.values[bound] = value
        return ast.copy_location(ast.Name(bound, ast.Load()), node)

    def _as_text(self, match: re.Match[str]) -> str:
        return str(self._lookup(match[1], match[2]))

    def _lookup(self, name: str, default: str | None) -> Any:
        self.declared.add(name)
        if default is None and name not in self._options:
            self.missing.add(name)
        return self._options.get(name, default)

    def _refuse_other_braces(self, text: str, line: int) -> None:
        rest = PLACEHOLDER.sub('', text)
        if not _BRACES.search(rest):
            return
        way_out = 'a placeholder is written {{$name}} or {{$name:default}}'
        if '_base_' in rest:
            way_out = _NO_BASE_VARIABLES
        raise ConfigError(f'{self._name}, line {line}: {text!r}: {way_out}')


def _typed(default: str) -> Any:
    try:
        return parse_literal(default)
    except ValueError:
        return default


def _unreadable(name: str, error: Exception) -> ConfigError:
    if isinstance(error, SyntaxError) and error.lineno:
        return ConfigError(f'{name}, line {error.lineno}: {error.msg}')
    return ConfigError(f'{name} cannot be read: {error}')


def _needs(name: str, missing: list[str], options: Mapping[str, Any]) -> str:
    words = [
        f'{option}::PATH' if option.endswith(_PATH_OPTIONS) else f'{option}:VALUE'
        for option in missing
    ]
    noun = 'the option' if len(missing) == 1 else 'the options'
    given = f' (given: {", ".join(options)})' if options else ''
    return (
        f'{name} needs {noun} {", ".join(missing)}: '
        f'pass --config-options {" ".join(words)}{given}'
    )


def _refuse_code(tree: ast.Module, name: str) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            raise ConfigError(
                f'{name}, line {node.lineno}: an import; config files hold data only'
            )
        if isinstance(node, ast.Attribute | ast.Subscript):
            text = ast.unparse(node)
            if text.startswith(('_base_.', '_base_[')):
                raise ConfigError(
                    f'{name}, line {node.lineno}: {text}: {_NO_BASE_VARIABLES}'
                )


def _refuse_objects(value: Any, key: Key, name: str) -> None:
    """Raise unless `value` is data that a dump can hold."""
    if isinstance(value, dict):
        for step, child in value.items():
            if type(step) not in (str, int):
                raise ConfigError(
                    f'{name}: {dotted(key)[1:]} has the key {step!r}; keys are strings'
                )
            _refuse_objects(child, (*key, step), name)
    elif type(value) in (list, tuple, set, frozenset):
        for index, child in enumerate(value):
            _refuse_objects(child, (*key, index), name)
    elif type(value) not in _SCALARS:
        raise ConfigError(
            f'{name}: {dotted(key)[1:]} is {value!r}, a {type(value).__name__}; config '
            'files hold data only, and a class is given by its name, a string'
        )


def _execute(
    tree: ast.Module, path: Path, name: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    namespace = dict(values)
    try:
        exec(compile(tree, str(path), 'exec'), namespace)  # config files are Python
    except SyntaxError as error:
        raise _unreadable(name, error) from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = [frame.lineno for frame in frames if frame.filename == str(path)][-1]
        kind = type(error).__name__
        raise ConfigError(f'{name}, line {line}: {kind}: {error}') from error
    return namespace


def _bases(value: Any, name: str) -> list[str]:
    bases = [value] if isinstance(value, str) else value
    if not isinstance(bases, list | tuple) or not all(
        isinstance(base, str) for base in bases
    ):
        raise ConfigError(f'{name}: _base_ is a path or a list of paths, got {value!r}')
    return list(bases)


def _filled_leaves(
    tree: ast.Module, options: Mapping[str, Any]
) -> Iterator[tuple[Key, str]]:
    """Yield the leaves that a given option sets, also by way of a variable."""
    variables: dict[str, str] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if not isinstance(target, ast.Name):
                continue
            for key, expression in _expressions(statement.value, (target.id,)):
                option = _option_in(expression, options, variables)
                if option is not None:
                    variables.setdefault(target.id, option)
                    yield key, option


def _expressions(node: ast.expr, key: Key) -> Iterator[tuple[Key, ast.expr]]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        for keyword in node.keywords:
            yield from _expressions(keyword.value, (*key, keyword.arg or ''))
    elif isinstance(node, ast.Dict):
        for name, value in zip(node.keys, node.values, strict=True):
            if isinstance(name, ast.Constant) and isinstance(name.value, str | int):
                yield from _expressions(value, (*key, name.value))
    else:
        yield key, node


def _option_in(
    node: ast.expr, options: Mapping[str, Any], variables: Mapping[str, str]
) -> str | None:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in variables:
            return variables[part.id]
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            for match in PLACEHOLDER.finditer(part.value):
                if match[1] in options:
                    return match[1]
    return None
