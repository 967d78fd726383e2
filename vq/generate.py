"""`auto_torchrun -m vq.generate CONFIG --load-model-from M`: images from classes."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING

from vq.cli import generate_parser

if TYPE_CHECKING:
    from vq.config import Config
    from vq.generation.draws import Plan
    from vq.runners import Generator

SAMPLING = (
    'cfg',
    'cfg_schedule',
    'cfg_power',
    'cfg_tokens',
    'temperature',
    'top_k',
    'top_p',
)
PER_CLASS, SOME = 8, 16  # samples by default: of classes that are named, or of all
PER_PICTURE = 4


def run(args: argparse.Namespace) -> None:
    """Sample what the parsed arguments ask for."""
    from vq import commands, dry_run, paths
    from vq.runners.guards import locked

    kind = _kind(args)
    config = commands.load_config(args, halves=['validator'])
    name = f'{config.path.stem}_generate'
    out = paths.work_dir(name, dry_run=dry_run.enabled()) / kind
    if args.out and not dry_run.enabled():  # a rehearsal leaves real samples alone
        out = (Path.cwd() / args.out).resolve()
    generator: Generator = commands.build(_of(config, args), 'validator', name=name)
    commands.load_weights(generator, commands.weight_files(args))
    generator.begin()
    with locked(out):
        _sample(args, generator, config=config, out=out)


def _sample(
    args: argparse.Namespace, generator: Generator, *, config: Config, out: Path
) -> None:
    """Write all folders of samples; of a sweep the table and the picture too."""
    from vq.generation.combinations import combinations
    from vq.generation.finish import finish
    from vq.sweeps import Point, report

    plan = _plan(args, generator)
    given = {key: getattr(args, key) for key in SAMPLING}
    folders = combinations(given, base=generator.model.sampling, out=out)
    for folder, sampling in folders.items():
        if not generator.generate(
            plan, sampling=sampling, seed=args.seed, folder=folder
        ):
            raise KeyboardInterrupt  # for the exit status: not all is there
        finish(plan, folder, npz=args.npz)
    if len(folders) > 1 and _kind(args) == 'samples':
        number = len(plan.draws)
        points = [
            Point(settings=vars(sampling), folder=folder, number=number)
            for folder, sampling in folders.items()
        ]
        report(points, config=config, out=out, allow_mismatch=args.allow_mismatch)


def _kind(args: argparse.Namespace) -> str:
    """Return what is asked for, as the default folder is called.

    Raises:
        ValueError: It is several things at once, or half of one.
    """
    kinds = dict(complete='completed', edit='edited', interpolate='interpolated')
    chosen = [flag for flag in kinds if getattr(args, flag)]
    if len(chosen) > 1:
        flags = ' and '.join(f'--{flag}' for flag in chosen)
        raise ValueError(f'{flags} are two things: give them in two commands')
    for flag, needed in (('complete', 'rows'), ('edit', 'box')):
        if (flag in chosen) != (getattr(args, needed) is not None):
            raise ValueError(f'--{flag} and --{needed} belong together: give both')
    if args.interpolate and args.classes:
        raise ValueError('--interpolate names its classes itself: leave --classes out')
    for flag, least in dict(number=1, batch_size=1, seed=0).items():
        value = getattr(args, flag)
        if value is not None and value < least:
            name = flag.replace('_', '-')
            raise ValueError(f'--{name} must be at least {least}, got {value}')
    return kinds[chosen[0]] if chosen else 'samples'


def _of(config: Config, args: argparse.Namespace) -> Config:
    """Return the config whose validator samples the model of another config's."""
    from vq.config import apply_overrides, check

    half = config.validator
    generator = dict(
        type='Generator',
        model=half.model,
        strategy=half.strategy,
        batch_size=args.batch_size or half.dataloader.batch_size,
        transforms=half.dataset.get('transforms', ()),
        ema=args.ema,
        compile=args.compile,
    )
    changed = copy.deepcopy(config)
    apply_overrides(changed, {'.validator': generator})
    check(changed)
    return changed


def _plan(args: argparse.Namespace, generator: Generator) -> Plan:
    """Return what is to be sampled."""
    from vq.generation import plans

    if args.interpolate:
        first, second = _classes(args.interpolate, generator)
        number = args.number or 1
        return plans.plan_way(first, second, steps=args.steps, number=number)
    if args.complete or args.edit:
        return _plan_around(args, generator)
    classes = _classes(args.classes, generator)
    number = args.number or (PER_CLASS * len(classes) if args.classes else SOME)
    return plans.plan_classes(classes, number=number)


def _plan_around(args: argparse.Namespace, generator: Generator) -> Plan:
    """Return a plan of samples that keep a part of the named pictures."""
    from vq import paths
    from vq.generation import plans
    from vq.generation.draws import first_rows, outside
    from vq.generation.regions import Box
    from vq.runners.inference import check_names

    files = [paths.resolve_input(path) for path in args.complete or args.edit]
    check_names(files)
    grid = generator.model.token_grid
    if args.complete:
        kept = first_rows(grid, args.rows)
    else:
        kept = outside(grid, Box(*args.box))
    if args.classes is None and generator.model.classes:
        raise ValueError('which class are the pictures of? Give --classes CLASS')
    return plans.plan_around(
        [generator.look_at(file) for file in files],
        kept,
        _classes(args.classes, generator),
        number=args.number or PER_PICTURE,
        rows=args.rows,
        box=args.box,
    )


def _classes(named: list[int] | None, generator: Generator) -> list[int]:
    """Return the classes that were named, or all; one stands in where there is none.

    Raises:
        ValueError: The network does not have one of them.
    """
    number = generator.model.classes
    if named is None:
        return [*range(max(1, number))]
    for category in named:
        if not 0 <= category < number:
            known = f'0 to {number - 1}' if number else 'none'
            raise ValueError(
                f'class {category} is none of the network, which has {known}'
            )
    return named


def main() -> None:
    """Parse the command line, then sample."""
    args = generate_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
