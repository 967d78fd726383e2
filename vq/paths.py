"""Where things lie: paths are resolved against the repository."""

import difflib
import logging
import os
from pathlib import Path

ROOT = Path(os.environ.get('VQ_ROOT', Path(__file__).parents[1])).resolve()

_logger = logging.getLogger(__name__)


def resolve(path: str | Path) -> Path:
    """Return `path` as an absolute one; a relative one lies below the repository.

    `pretrained/...` lies below the folder that the environment variable PRETRAINED
    names, where it is set.
    """
    path = Path(path).expanduser()
    if path.parts[:1] == ('pretrained',) and 'PRETRAINED' in os.environ:
        return Path(os.environ['PRETRAINED']).expanduser().resolve() / path
    return ROOT / path


def resolve_input(path: str | Path) -> Path:
    """Return the existing file or folder that a user typed.

    It is looked for in the repository, then, and that is said in the log, in the
    current folder.

    Raises:
        FileNotFoundError: It is in neither; both places are named, and what is near.
    """
    inside = resolve(path)
    if inside.exists():
        return inside
    here = Path.cwd() / Path(path).expanduser()
    if here.exists():
        _logger.info('%s is taken from the current folder: %s', path, here)
        return here.resolve()
    places = ' nor '.join(dict.fromkeys([str(inside), str(here)]))
    raise FileNotFoundError(f'{path} does not exist: not {places}{_nearest(inside)}')


def _nearest(path: Path) -> str:
    """Return a question that names what lies beside `path` under a similar name."""
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=2)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def work_dir(name: str, *, dry_run: bool = False) -> Path:
    """Return the folder of the run called `name`: work_dirs/[dry_run/]NAME."""
    return ROOT / 'work_dirs' / ('dry_run' if dry_run else '') / name
