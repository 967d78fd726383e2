"""Every command in the README and the pages parses with the real parser."""

import argparse
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.loading import load_program
from vq import cli, fid, launcher, paths
from vq.config import load, parse_words

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for pattern in ('*.md', 'docs/*.md', 'configs/**/*.md')
    for path in sorted(ROOT.glob(pattern))
]
PARSERS = {
    'vq.train': cli.train_parser,
    'vq.val': cli.val_parser,
    'vq.test': cli.test_parser,
    'vq.edit': cli.edit_parser,
    'vq.generate': cli.generate_parser,
    'vq.inference': cli.inference_parser,
    'vq.tasks.image_tokenization.tokenize': cli.tokenize_parser,
    'vq.config': cli.config_parser,
    'vq.export': cli.export_parser,
    'vq.fid': cli.fid_parser,
    'vq.compare': cli.compare_parser,
}
# Files that a page has its reader write; tests/test_add_a_quantizer.py writes them.
WRITTEN_BY_THE_READER = {'configs/vqgan/binary_1024_imagenet_ddp.py'}
# Resolved configs that the commands before leave, by what stands for them here.
LEFT_BEHIND = {
    'vqgan.py': 'configs/decoder/vqkd_clip_8192_dd3_imagenet_ddp.py',
}
# What is not ours and has nothing to check.
FOREIGN = {'source', 'pip', 'pre-commit', 'git'}


def commands() -> Iterator[tuple[str, str]]:
    """Yield the page and each command of its bash blocks, continuation lines joined."""
    for page in PAGES:
        for block in re.findall(r'```bash\n(.*?)```', page.read_text(), re.DOTALL):
            for line in block.replace('\\\n', ' ').splitlines():
                if line.strip() and not line.startswith('#'):
                    yield page.name, re.sub(r' +', ' ', line)


def expand(word: str) -> list[str]:
    """Expand one {A..B}, as bash does."""
    match = re.search(r'\{(\d+)\.\.(\d+)\}', word)
    if match is None:
        return [word]
    numbers = range(int(match[1]), int(match[2]) + 1)
    return [word.replace(match[0], str(number)) for number in numbers]


def check_module(words: list[str]) -> argparse.Namespace:
    """Parse `-m vq.x ...` and load the config that it names, changes included."""
    spec = importlib.util.find_spec(words[1])
    assert spec is not None
    if spec.submodule_search_locations:  # a package: `python -m` runs its __main__
        assert importlib.util.find_spec(f'{words[1]}.__main__') is not None
    args = PARSERS[words[1]]().parse_args(words[2:])
    if words[1] == 'vq.fid':
        fid.complete(args)
    if not hasattr(args, 'config') or args.config in WRITTEN_BY_THE_READER:
        return args
    path = paths.ROOT / args.config
    assert path.is_file(), path
    options = {
        key: LEFT_BEHIND.get(Path(str(value)).name, value)
        for key, value in parse_words(args.config_options).items()
    }
    load(path, options=options, overrides=parse_words(args.override))
    return args


def check_tool(path: Path, words: list[str]) -> None:
    """Parse with the tool's own `parser`, where it has one."""
    tool = load_program(path)
    if hasattr(tool, 'parser'):
        tool.parser().parse_args(words)


def check(words: list[str]) -> None:
    """Check one command."""
    while '=' in words[0]:  # variables in front
        words = words[1:]
    program, *rest = words
    if words[:2] == ['bash', 'tools/torchrun.sh']:  # the same as a script
        program, *rest = 'auto_torchrun', *words[2:]
    if program in FOREIGN:
        return
    if program == 'make':
        makefile = (ROOT / 'Makefile').read_text()
        targets = [w for w in rest if '=' not in w]
        assert targets and all(f'\n{t}:' in makefile for t in targets), rest
    elif program == 'auto_torchrun' and rest[0].endswith('.py'):
        check_tool(ROOT / rest[0], rest[1:])
    elif program == 'auto_torchrun':
        command = launcher.command(rest, {}, gpus=1, port=1)
        check_module(command[_at(command) :])
    elif program in ('python', 'torchrun'):
        if rest[0].endswith('.py'):
            check_tool(ROOT / rest[0], rest[1:])
        else:
            check_module(rest[_at(rest) :])
    else:
        raise AssertionError(f'{program} is not known here')


def _at(words: list[str]) -> int:
    """Return where `-m vq...` starts."""
    starts = [i for i, w in enumerate(words[:-1]) if w == '-m' and 'vq' in words[i + 1]]
    return starts[-1]


@pytest.mark.parametrize(('page', 'line'), list(commands()))
def test_the_command_parses(page: str, line: str) -> None:
    words = [each for word in shlex.split(line, comments=True) for each in expand(word)]
    check(words)


def test_a_wrong_command_would_be_found() -> None:
    with pytest.raises(SystemExit):
        check(
            ['auto_torchrun', '-m', 'vq.train', 'x', 'configs/x.py', '--overide', 'y']
        )
    with pytest.raises(AssertionError):
        check(['python', '-m', 'vq.train', 'x', 'configs/nowhere.py'])
    with pytest.raises(SystemExit):
        check(['python', 'tools/prepare_checkpoints.py', 'clipp'])


def test_the_links_lead_somewhere() -> None:
    for page in PAGES:
        prose = re.sub(r'```.*?```|`[^`]*`', '', page.read_text(), flags=re.DOTALL)
        for target in re.findall(r'\]\(([^)#]+?)(?:#[^)]*)?\)', prose):
            if not target.startswith('http'):
                assert (page.parent / target).exists(), f'{page.name}: {target}'
