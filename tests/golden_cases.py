"""Where the numbers of published code lie, and which cases a test has.

The cases lie in the folder that the environment variable VQ_GOLDEN names,
`tests/golden` by default; any case whose name begins with a test's prefix is tested,
whatever its sizes.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

OWN = Path(__file__).with_name('golden')
ROOT = Path(os.environ.get('VQ_GOLDEN', OWN))


def cases(prefix: str) -> pytest.MarkDecorator:
    """Parametrise a test over the paths of all cases of a kind.

    Raises:
        FileNotFoundError: The repository's own folder has none: a test is not skipped
            because its data were lost. Another folder may lack a kind.
    """
    paths = sorted(ROOT.glob(f'{prefix}*'))
    if not paths and ROOT == OWN:
        raise FileNotFoundError(f'there is no golden case {prefix}* in {ROOT}')
    if not paths:
        return pytest.mark.skip(reason=f'no golden case {prefix}* in {ROOT}')
    return pytest.mark.parametrize('path', paths, ids=lambda path: path.name)


def described(path: Path) -> dict[str, Any]:
    """Return what a case's case.json says."""
    case: dict[str, Any] = json.loads((path / 'case.json').read_text())
    return case


def noted(path: Path, pattern: str) -> list[int]:
    """Return the numbers that a pattern finds in a case's notes, where it first fits.

    Some settings stand nowhere else. Raises ValueError if it fits nowhere.
    """
    for note in described(path)['notes']:
        if match := re.search(pattern, note):
            return [int(group) for group in match.groups()]
    raise ValueError(f'the notes of {path} say nothing like {pattern!r}')
