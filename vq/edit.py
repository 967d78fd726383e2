"""`-m vq.edit ACTION CONFIG [IMAGE ...] --load-model-from M`: tokens, changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vq.cli import edit_parser

if TYPE_CHECKING:
    from pathlib import Path

    from vq.config import Config
    from vq.editing.acting import Desk
    from vq.runners import Validator


def run(args: argparse.Namespace) -> None:
    """Do what the parsed arguments ask for, and write it."""
    from pathlib import Path

    from vq import commands, distributed, dry_run, paths
    from vq.editing.acting import ACTIONS
    from vq.editing.result import write

    if args.seed < 0:
        raise ValueError(f'--seed must be at least 0, got {args.seed}')
    config = commands.load_config(args, halves=['validator'])
    name = f'{config.path.stem}_edit'
    out = paths.work_dir(name, dry_run=dry_run.enabled()) / args.action
    if args.out:
        out = (Path.cwd() / args.out).resolve()
    desk, settings = _prepared(args, config, name)
    edited = ACTIONS[args.action](desk)
    if distributed.is_main():
        write(edited, args.action, out, settings)


def _prepared(
    args: argparse.Namespace, config: Config, name: str
) -> tuple[Desk, dict[str, object]]:
    """Return what the action works with, and what the record says of it."""
    from vq import commands, paths
    from vq.editing.acting import Desk
    from vq.editing.editor import Editor, names
    from vq.runners.inference import prepare, read
    from vq.runners.tokens import check_tokens

    named = [*getattr(args, 'images', ()), getattr(args, 'source', None)]
    files = [paths.resolve_input(file) for file in named if file]
    root = getattr(args, 'tokens', None)
    store = dict(type='TokenSampleDataset', root=str(_typed(root))) if root else None
    crop = not getattr(args, 'no_crop', False)
    transforms = prepare(config, crop=crop, ema=args.ema, dataset=store)
    runner: Validator = commands.build(config, 'validator', name=name)
    commands.load_weights(runner, commands.weight_files(args))
    check_tokens(runner)
    runner.model.eval()
    strategy, size = runner.strategy, args.batch_size
    editor = Editor(
        runner.model,
        device=strategy.device,
        autocast=strategy.autocast,
        batch_size=size,
    )
    pictures = [
        editor.look(name, read(runner, file, transforms=transforms))
        for name, file in zip(names(files), files, strict=True)
    ]
    desk = Desk(
        args=args,
        editor=editor,
        source=pictures.pop() if getattr(args, 'source', None) else None,
        pictures=pictures,
        store=runner.dataset if store else None,
        transforms=transforms,
    )
    return desk, _settings(args, config, runner, files)


def _settings(
    args: argparse.Namespace, config: Config, runner: Validator, files: list[Path]
) -> dict[str, object]:
    """Return what the record says beside what was done."""
    import shlex
    import sys

    import vq
    from vq import checkpoints

    return dict(
        config=str(config.path),
        weights=checkpoints.state_hash(runner.model.state_dict()),
        weight_files=args.load_model_from,
        pictures=[str(file) for file in files],
        token_store=getattr(args, 'tokens', None),
        command=shlex.join(sys.orig_argv),
        version=vq.__version__,
    )


def _typed(root: str) -> object:
    """Return the path of a token store as it was typed; of a dry run it may miss."""
    from vq import dry_run, paths

    try:
        return paths.resolve_input(root)
    except FileNotFoundError:
        if not dry_run.enabled():
            raise
        return paths.resolve(root)


def main() -> None:
    """Parse the command line, then edit."""
    args = edit_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
