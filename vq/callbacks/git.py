"""What a run was made with: command, versions, git commit and diff."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import torch

from vq import __version__, distributed
from vq.callbacks.base import Callback
from vq.logs import timestamp
from vq.paths import ROOT
from vq.registry import CALLBACKS

if TYPE_CHECKING:
    from vq.runners.base import Runner

_logger = logging.getLogger(__name__)
PACKAGES = ('torchvision', 'numpy', 'mmengine', 'einops')


def _git(*arguments: str) -> str | None:
    command = ['git', '-C', str(ROOT), *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.rstrip()
    except (OSError, subprocess.CalledProcessError):
        return None


def environment() -> list[str]:
    """Return lines that say on what this runs."""
    versions = [f'vq {__version__}', f'torch {torch.__version__}']
    versions += [f'{name} {importlib.metadata.version(name)}' for name in PACKAGES]
    lines = [
        f'command: {shlex.join(sys.orig_argv)}',
        f'platform: {platform.platform()}, Python {platform.python_version()}, '
        f'{torch.get_num_threads()} threads, {distributed.world_size()} ranks',
        f'versions: {", ".join(versions)}',
    ]
    if torch.cuda.is_available():
        lines.append(f'GPU: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}')
    return lines


@CALLBACKS.register_module()
class GitCallback(Callback):
    """Logs the command, the environment and the git commit, and saves the diff.

    The diff against HEAD, where there is one, goes to git_diff_<time>.log in the work
    dir.
    """

    def before_run(self, runner: Runner) -> None:
        """Write it all down, on rank 0."""
        if not distributed.is_main():
            return
        for line in environment():
            _logger.info('%s', line)
        commit = _git('rev-parse', 'HEAD')
        if commit is None:
            _logger.info('git: not a checkout')
            return
        _logger.info('git: %s', commit)
        diff = _git('diff', 'HEAD')
        if diff:
            path = runner.work_dir / f'git_diff_{timestamp()}.log'
            path.write_text(diff + '\n')
            _logger.info('git: uncommitted changes are in %s', path)
