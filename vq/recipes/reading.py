"""What files of settings say: YAML, JSON, or the flags of a command line."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vq.recipes.errors import RecipeError

KINDS = ('taming', 'adapter', 'llamagen', 'llamagen_gpt')
_SCRIPTS = dict(
    llamagen=r'\bvq_train\.py|\btrain_vq\w*\.sh',
    llamagen_gpt=r'\btrain_c2i\w*\.(py|sh)',
)
_MARKS = dict(llamagen='--vq-model', llamagen_gpt='--gpt-model')
_TRANSFORMERS = ('Net2NetTransformer', 'GPT', 'VQTransformer')
# YAML 1.1 takes 1e-4 for a string; whoever wrote it meant a number.
_NUMBER = re.compile(r'[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+')
_REFERENCE = re.compile(r'\$\{([\w.]+)\}')


@dataclass(frozen=True)
class Settings:
    """What a file says.

    Attributes:
        kind: One of KINDS.
        tree: Nested dicts of plain values.
    """

    kind: str
    tree: dict[str, Any]


def read(path: Path, *, kind: str = '') -> Settings:
    """Read settings of another code base.

    Args:
        path: The file.
        kind: What it is, where its content does not tell.

    Raises:
        RecipeError: It is nothing of KINDS; what it seems to be is named.
        FileNotFoundError: There is no such file.
    """
    text = path.read_text(encoding='utf-8')
    if kind and kind not in KINDS:
        raise RecipeError(f'kind is one of {", ".join(KINDS)}; got {kind!r}')
    found = [name for name in _MARKS if _is_command(text, name)]
    if kind in _MARKS or (not kind and found):
        if not kind and len(found) > 1:
            raise RecipeError(
                f'{path} holds commands of {" and ".join(found)}: choose by --kind'
            )
        return Settings(kind or found[0], flags(text, kind or found[0]))
    tree = _tree(path, text)
    told = _kind(path, tree)
    if kind and kind != told:
        raise RecipeError(f'{path} is of kind {told!r}, not {kind!r}')
    return Settings(told, tree)


def flags(text: str, kind: str) -> dict[str, Any]:
    """Return the flags of the one command of a kind in a script, with their dashes.

    What stands before the script's name gets 'torchrun' before its own.

    Raises:
        RecipeError: There is none, or there are several.
    """
    whole = re.sub(r'\\\n', ' ', text)
    lines = [line for line in whole.splitlines() if not line.lstrip().startswith('#')]
    chosen = [line for line in lines if _is_command(line, kind)]
    if len(chosen) == 1 and not re.search(_SCRIPTS[kind], chosen[0]):
        chosen = ['\n'.join(lines)]  # flags alone, on as many lines as people like
    if len(chosen) != 1:
        raise RecipeError(
            f'{len(chosen)} commands of {kind} there, not one: leave one, with '
            f'{_MARKS[kind]} in it'
        )
    try:
        words = shlex.split(chosen[0], comments=True)
    except ValueError as error:
        raise RecipeError(f'no command line: {chosen[0]!r} ({error})') from error
    scripts = [i for i, word in enumerate(words) if word.endswith(('.py', '.sh'))]
    if not scripts:
        return _pairs(words)
    before, after = words[: scripts[0]], words[scripts[0] + 1 :]
    return {f'torchrun {k}': v for k, v in _pairs(before).items()} | _pairs(after)


def _pairs(words: list[str]) -> dict[str, Any]:
    """Return flags and what follows them; True where nothing does."""
    found: dict[str, Any] = {}
    name = ''
    for word in words:
        if word.startswith('--'):
            name, equals, value = word.partition('=')
            found[name] = _value(value) if equals else True
        elif name and found[name] is True:
            found[name] = _value(word)
        elif name and word != '$@':
            found[f'{name} {word}'] = _value(word)  # nothing is lost silently
    return found


def _is_command(text: str, kind: str) -> bool:
    return re.search(rf'(?m)(^|\s){_MARKS[kind]}\b|{_SCRIPTS[kind]}', text) is not None


def _tree(path: Path, text: str) -> dict[str, Any]:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError:
        try:
            tree = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f'{path} is neither JSON nor YAML: {error}') from error
    if not isinstance(tree, dict):
        raise RecipeError(f'{path} holds no settings, but a {type(tree).__name__}')
    try:
        resolved: dict[str, Any] = _resolved(tree, tree)
    except RecursionError:
        raise RecipeError(f'{path} has values that refer to themselves') from None
    return resolved


def _resolved(value: Any, root: Mapping[str, Any]) -> Any:
    """Return a value with its numbers as numbers, and what it refers to in place."""
    if isinstance(value, dict):
        return {str(key): _resolved(item, root) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, root) for item in value]
    if isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
        part: Any = root
        for word in match[1].split('.'):
            if not isinstance(part, Mapping) or word not in part:
                raise RecipeError(f'{value} refers to nothing')
            part = part[word]
        return _resolved(part, root)
    return _value(value) if isinstance(value, str) else value


def _value(word: str) -> Any:
    """Return a word as the number, truth value or nothing that it is."""
    if re.fullmatch(r'[+-]?\d+', word):
        return int(word)
    if _NUMBER.fullmatch(word) or re.fullmatch(r'[+-]?(\d+\.\d*|\.\d+)', word):
        return float(word)
    return {'True': True, 'False': False, 'None': None}.get(word, word)


def _kind(path: Path, tree: Mapping[str, Any]) -> str:
    """Tell what settings are of, by what they say.

    Raises:
        RecipeError: It is nothing of KINDS.
    """
    if 'model_type' in tree:
        if tree['model_type'] == 'TamingVQGAN':
            return 'adapter'
        raise RecipeError(
            f'{path}: model_type is {tree["model_type"]!r}; known is TamingVQGAN'
        )
    model = tree.get('model')
    target = str(model.get('target', '')) if isinstance(model, Mapping) else ''
    name = target.rpartition('.')[2]
    if name in _TRANSFORMERS or 'Transformer' in name:
        raise RecipeError(
            f'{path} is of a transformer, {target}, over the tokens of another file: '
            'convert the tokenizer that it names (first_stage_config), and train a '
            'proposal network of configs/ar or configs/llamagen over it'
        )
    if not target:
        raise RecipeError(
            f'{path} is of no kind known here: YAML with model.target, JSON with '
            'model_type, or a command line of LlamaGen were expected'
        )
    return 'taming'
