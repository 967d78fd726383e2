"""Show a resolved config and where its values come from: python -m vq.config."""

import signal
import sys
from collections.abc import Sequence

from vq.cli import config_parser
from vq.config import ConfigError, check, load, parse_words
from vq.config.overrides import find
from vq.config.printing import WIDTH, lines
from vq.config.resolved import Config
from vq.config.tree import dotted

ANNOTATED_WIDTH = 56  # columns, so that comments fit beside


def show(config: Config, *, key: str | None = None, plain: bool = False) -> str:
    """Return a config as Python source, each value's source in a comment beside it.

    Args:
        config: The config.
        key: Override path of the part to show; the whole by default.
        plain: Leave the sources out.

    Raises:
        ConfigError: There is nothing at `key`.
    """
    shown = [find(config.tree, key)] if key else []
    if not key:
        shown = [((runner,), value) for runner, value in config.tree.items()]
    sources, width = (None, WIDTH) if plain else (config.sources, ANNOTATED_WIDTH)
    body = [
        line
        for path, value in shown
        for line in lines(
            value,
            key=path,
            prefix=f'{dotted(path)[1:]} = ',
            sources=sources,
            width=width,
        )
    ]
    column = min(
        max((len(line.text) for line in body if line.source), default=0), width
    )
    return '\n'.join(
        f'{line.text.ljust(column)}  # {line.source}' if line.source else line.text
        for line in body
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a config, then check it."""
    args = config_parser().parse_args(arguments)
    try:
        config = load(
            args.config,
            options=parse_words(args.config_options),
            overrides=args.override,
        )
        print(show(config, key=args.key, plain=args.plain), flush=True)
        check(config)
    except ConfigError as error:
        sys.exit(f'{args.config}: not a valid config\n{error}')


if __name__ == '__main__':
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `... | head` ends in silence
    main()
