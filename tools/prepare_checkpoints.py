"""Get published weights into `pretrained/`, each file verified before it is in place.

    python tools/prepare_checkpoints.py lpips pytorch_fid
    python tools/prepare_checkpoints.py clip --weights ViT-L-14
    python tools/prepare_checkpoints.py --list

Stop it at any moment: the same command goes on. What is there is verified and kept.
"""

import argparse
import difflib
import logging
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from vq import paths
from vq.pretrained.checksums import ChecksumError
from vq.pretrained.download import part_of
from vq.pretrained.entry import Entry
from vq.pretrained.http import DownloadError, UnreachableError
from vq.pretrained.preparing import Prepared, prepare, verify
from vq.pretrained.progress import human
from vq.pretrained.table import groups

# --weights .VGG16_Weights.DEFAULT is torchvision's own word for vgg16.
TORCHVISION = re.compile(r'\.?(\w+)_Weights\.(DEFAULT|IMAGENET1K_V1)')
STOPPED = 130  # exit code after Ctrl-C

_logger = logging.getLogger('prepare_checkpoints')


def _unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """Return the message for a word that is not known."""
    known = list(dict.fromkeys(known))
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f'did you mean {near[0]}?' if near else f'there are {", ".join(known)}'
    return f'unknown {kind} {word}: {hint}'


def _group(word: str) -> str:
    if word not in groups():
        raise argparse.ArgumentTypeError(_unknown('group', word, groups()))
    return word


def _mirror(word: str) -> str:
    scheme = urlsplit(word).scheme
    if scheme in ('http', 'https', 'file') or Path(word).expanduser().is_dir():
        return word
    raise argparse.ArgumentTypeError(
        f'{word} is neither a folder nor a URL that begins with http: or https:'
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='prepare_checkpoints.py',
        description='Get published weights. Groups: ' + ', '.join(groups()),
    )
    parser.add_argument('groups', nargs='*', type=_group, metavar='GROUP')
    parser.add_argument(
        '--weights',
        nargs='+',
        default=[],
        metavar='NAME',
        help='just these of a group; --list names them',
    )
    parser.add_argument(
        '--root', default='pretrained', help='where to (default %(default)s)'
    )
    parser.add_argument(
        '--mirror',
        type=_mirror,
        metavar='URL_OR_FOLDER',
        help='get the files there, where they lie as HOST/PATH, PATH or by name alone',
    )
    parser.add_argument(
        '--list', action='store_true', help='show the files and get nothing'
    )
    parser.add_argument(
        '--verify', action='store_true', help='check what is there and get nothing'
    )
    return parser


def _matches(entry: Entry, word: str) -> bool:
    match = TORCHVISION.fullmatch(word)
    word = (match[1].lower() if match else word).replace('ViT-B/', 'ViT-B-')
    word = word.replace('ViT-L/', 'ViT-L-')
    name = entry.weights.removesuffix('.yaml')
    return word in (name, entry.weights) or name.startswith(f'{word}/')


def select(words: list[str], weights: list[str], *, optional: bool) -> list[Entry]:
    """Return the entries of groups; `weights` narrows the groups that have them.

    Args:
        words: Groups; none stands for all.
        weights: Names in these groups.
        optional: Whether to take also what comes only with `weights`.

    Raises:
        ValueError: None of the groups has one of the names.
    """
    chosen: dict[str, Entry] = {}
    pools = {word: groups()[word] for word in words or groups()}
    every = [entry for pool in pools.values() for entry in pool]
    for word in weights:
        if not any(_matches(entry, word) for entry in every):
            names = (entry.weights for entry in every)
            raise ValueError(_unknown('weights', word, names))
    for pool in pools.values():
        named = [e for e in pool if any(_matches(e, word) for word in weights)]
        taken = named or [e for e in pool if optional or e.default]
        chosen |= {entry.name: entry for entry in taken}
    return list(chosen.values())


def state(entry: Entry, root: Path, *, check: bool) -> str:
    """Return in a word or two how a file is: missing, present, verified, ..."""
    path = root / entry.file
    if not path.exists():
        part = part_of(path)
        unfinished = part.exists()
        return f'{human(part.stat().st_size)} so far' if unfinished else 'missing'
    if not check:
        return 'present'
    try:
        verify(entry, root=root)
    except ChecksumError as error:
        _logger.error('%s', error)
        return 'WRONG'
    return 'verified' if entry.sha256 else 'as first seen'


def show(entries: list[Entry], root: Path, *, check: bool) -> int:
    """Print a table of the files; return the exit code."""
    rows = [('name', 'file', 'size', 'state', 'licence')]
    for entry in entries:
        path = root / entry.file
        size = '?' if entry.about is None else f'~ {human(entry.about)}'
        size = human(path.stat().st_size) if path.exists() else size
        rows.append(
            (
                entry.name,
                entry.file,
                size,
                state(entry, root, check=check),
                entry.licence or 'not stated',
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())
    return int(any(row[3] == 'WRONG' for row in rows))


class Preparation:
    """Gets files one after the other; what fails does not keep the next from coming.

    Args:
        root: The folder `pretrained/`.
        mirror: Used instead of the publishers.
    """

    def __init__(self, *, root: Path, mirror: str | None) -> None:
        self.root, self.mirror = root, mirror
        self.done: list[Prepared] = []
        self.unreachable: list[Entry] = []
        self.silent: dict[str, str] = {}  # host: what came instead of an answer
        self.failed = False

    def run(self, entries: list[Entry]) -> int:
        """Get the files and say how it went; return the exit code."""
        started = time.monotonic()
        for entry in entries:
            self._get(entry)
        new = sum(each.downloaded for each in self.done)
        _logger.info(
            '%d downloaded, %d already there, %s, %.0f s',
            new,
            len(self.done) - new,
            human(sum(each.size for each in self.done)),
            time.monotonic() - started,
        )
        if self.unreachable:
            self._say_offline()
        return int(self.failed or bool(self.unreachable))

    def _get(self, entry: Entry) -> None:
        host = urlsplit(self.mirror or entry.url).netloc
        if host in self.silent and not (self.root / entry.file).exists():
            self.unreachable.append(entry)
            return
        try:
            self.done.append(prepare(entry, root=self.root, mirror=self.mirror))
        except UnreachableError as error:
            self.silent[host] = str(error)
            self.unreachable.append(entry)
        except (DownloadError, ChecksumError, OSError) as error:
            _logger.error('%s', error)
            self.failed = True

    def _say_offline(self) -> None:
        _logger.error(
            '%s; no network here, or a proxy is needed (https_proxy). Try --mirror, or '
            'place by hand what is listed; the same command then verifies it:',
            '; '.join(self.silent.values()),
        )
        for entry in self.unreachable:
            _logger.error('  %s -> %s', entry.url, self.root / entry.file)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    command = parser()
    args = command.parse_args(arguments)
    looks = args.list or args.verify
    if not args.groups and not looks:
        command.error(f'which group? {", ".join(groups())}; or --list')
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        entries = select(args.groups, args.weights, optional=looks)
    except ValueError as error:
        command.error(str(error))
    root = paths.resolve(args.root)
    try:
        if looks:
            return show(entries, root, check=args.verify)
        return Preparation(root=root, mirror=args.mirror).run(entries)
    except KeyboardInterrupt:
        _logger.error('stopped; what has come is kept: the same command goes on')
        return STOPPED


if __name__ == '__main__':
    try:
        sys.exit(main())
    except BrokenPipeError:  # `--list | head`; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
