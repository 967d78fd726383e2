"""Measure a folder of images, an .npz of them, or stored tokens: FID and its kin.

    bash tools/torchrun.sh tools/fid.py imagenet_val SAMPLES --work-dir SAMPLES/..

The pictures count as they are. Tokens, `--config CONFIG --load-model-from MODEL`, are
decoded on the way. fid.txt and metrics.jsonl in the work dir say what was measured, and
with what.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vq import cli, paths

if TYPE_CHECKING:
    from vq.config import Config
    from vq.runners import Validator

METRICS = {
    'fid': 'FIDMetric',
    'sfid': 'SFIDMetric',
    'kid': 'KIDMetric',
    'inception_score': 'InceptionScoreMetric',
    'precision_recall': 'PrecisionRecallMetric',
    'density_coverage': 'DensityCoverageMetric',
}
ALONE = ('inception_score',)  # compared with nothing
FEATURES = 10_000  # of a reference's images, for KID, precision and recall
INTERVAL = 10  # batches between two lines of progress
DIGITS = 12  # of a SHA-256, for people
RULES = ('pytorch-fid', 'tensorflow', 'clean-fid')


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog='fid.py',
        description='Compare images with the cached statistics of a data set: FID and '
        'its kin, one pass for all.',
    )
    parser.add_argument(
        'reference',
        help='statistics below pretrained/fid, such as imagenet_val, or a path to a '
        '.safetensors, or images to compare with: a path to a folder, or an .npz',
    )
    parser.add_argument(
        'data_root',
        metavar='FOLDER',
        help='folder of .png or .jpg, .npz with arr_0 (n, h, w, 3), or token store',
    )
    parser.add_argument('--work-dir', help='(default work_dirs/fid/FOLDER)')
    parser.add_argument(
        '--metrics', nargs='+', default=['fid'], choices=METRICS, help='(default fid)'
    )
    parser.add_argument(
        '--extractor',
        default=RULES[0],
        choices=RULES,
        help="whose rule of resizing; the statistics' too (default %(default)s)",
    )
    parser.add_argument('--config', help='of the model that decodes tokens')
    parser.add_argument(
        '--load-model-from',
        nargs='+',
        default=[],
        metavar='PATH',
        help='its weight files or checkpoint folders',
    )
    parser.add_argument(
        '--override',
        nargs='*',
        default=[],
        metavar='.PATH:VALUE',
        help='change the validator: .dataloader.batch_size:256',
    )
    parser.add_argument(
        '--strategy',
        default='ddp',
        choices=['ddp', 'cuda'],
        help='one process a device, by either name (default %(default)s)',
    )
    parser.add_argument(
        '--autocast', action='store_true', help='decode tokens in bf16 or fp16'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='rehearse: 4 images, no weights needed'
    )
    cli.add_comparison(parser)
    return parser


def images_config(source: Path) -> dict[str, Any]:
    """Return the config of the data set of pictures that lies there."""
    if source.suffix == '.npz':
        return dict(type='NpzDataset', data_root=str(source))
    return dict(type='FolderDataset', data_root=str(source), transforms=[])


def model_config(args: argparse.Namespace, source: Path) -> dict[str, Any]:
    """Return what of the validator's config depends on the kind of the data.

    Raises:
        ConfigError: Tokens come without a model, or pictures with one.
    """
    from vq.config import ConfigError, load

    stored = (source / 'meta.json').is_file()
    if stored != bool(args.config):
        is_, way_out = (
            ('is a', 'pass --config CONFIG --load-model-from MODEL to decode it')
            if stored
            else ('is no', 'leave --config out')
        )
        raise ConfigError(f'{source} {is_} token store (meta.json); {way_out}')
    if not stored:
        return dict(
            type='Validator',
            model=dict(type='PassThrough'),
            dataset=images_config(source),
        )
    validator = load(args.config).validator
    return dict(
        type='Detokenizer',
        model=validator.model,
        dataset=dict(type='UndecodedDataset', data_root=str(source)),
        ema=validator.get('ema', False),
    )


def metric_config(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the config of a metric."""
    extractor = dict(type='InceptionExtractor', rule=args.extractor)
    config = dict(type=METRICS[name], extractor=extractor)
    return config if name in ALONE else dict(config, reference=args.reference)


def build_config(args: argparse.Namespace, source: Path) -> Config:
    """Return the checked config of the measurement.

    Raises:
        ConfigError: A flag is wrong.
    """
    from vq import commands
    from vq.config import Config, apply_overrides
    from vq.config.resolved import config_dict

    validator = model_config(args, source) | dict(
        dataloader=dict(batch_size=64, num_workers=2),
        strategy=dict(type='DDPStrategy'),
        metrics={name: metric_config(name, args) for name in args.metrics},
        callbacks=[dict(type='LogCallback', interval=INTERVAL)],
        generated=True,
        skip_missing=args.skip_missing,
        allow_mismatch=args.allow_mismatch,
    )
    tree = config_dict(dict(validator=validator))
    config = Config(tree, path=paths.resolve('tools/fid.py'))
    apply_overrides(config.validator, args.override)
    commands.adapt(config, halves=['validator'], autocast=args.autocast)
    return config


def work_dir(args: argparse.Namespace, source: Path) -> Path:
    """Return where the results go: below work_dirs, or where the user says."""
    from vq import dry_run

    if args.work_dir is None:
        name = str(source).removeprefix(f'{paths.ROOT}/').strip('/').replace('/', '_')
        return paths.work_dir(f'fid/{name}', dry_run=dry_run.enabled())
    # FOLDER/.. is to be found where FOLDER was.
    inside = paths.resolve(args.work_dir).resolve()
    here = (Path.cwd() / Path(args.work_dir).expanduser()).resolve()
    return inside if inside.exists() else here


def is_images(reference: str) -> bool:
    """Tell whether a user compares with images: a path, but not of statistics."""
    suffix = Path(reference).suffix
    return suffix == '.npz' or '/' in reference and suffix != '.safetensors'


def compute_reference(source: Path, config: Config, path: Path) -> None:
    """Write the statistics of images, seen as the measurement sees its own.

    Args:
        source: The images.
        config: That of the measurement.
        path: The file to write.
    """
    from vq import distributed
    from vq.config import check
    from vq.registry import RUNNERS
    from vq.runners import Job

    validator = config.validator
    first = next(iter(validator.metrics.values()))
    statistics = dict(type='StatisticsCallback', name=str(path), features=FEATURES)
    runner = dict(
        type='Extraction',
        model=first.extractor,
        dataset=images_config(source),
        dataloader=validator.dataloader,
        strategy=validator.strategy,
        callbacks=[dict(statistics, force=True), *validator.callbacks],
    )
    check(runner)
    job = Job(name='fid/reference', work_dir=path.parent, config=config)
    RUNNERS.build(runner, job=job).run()
    distributed.barrier()  # rank 0 writes the file that all will read


def build(args: argparse.Namespace, source: Path) -> Validator:
    """Return the validator, ready to run."""
    from vq import commands, distributed, logs
    from vq.registry import RUNNERS
    from vq.runners import Job

    folder, images = work_dir(args, source), None
    if is_images(args.reference):
        images = paths.resolve_input(args.reference).resolve()
        args.reference = str(folder / 'reference' / f'{images.stem}.safetensors')
    config = build_config(args, source)
    logs.set_up(folder)
    if distributed.is_main():
        config.dump(folder / 'fid.py')
    if images is not None:
        compute_reference(images, config, Path(args.reference))
    job = Job(name=f'fid/{source.name}', work_dir=folder, config=config)
    validator: Validator = RUNNERS.build(config.validator, job=job)
    if args.config:
        commands.load_weights(validator, commands.weight_files(args))
    return validator


def line(source: Path, metrics: dict[str, float], protocols: dict[str, Any]) -> str:
    """Return the results as people read them, with what they depend on, in one line.

    Args:
        source: The images.
        metrics: The results.
        protocols: What `Validator.protocols` returns.
    """
    from vq import logs

    data, *measured = protocols.values()
    seen = measured[0] if measured else {}
    reference = ', '.join({p['reference']: 0 for p in measured if 'reference' in p})
    differences = {k: v for p in measured for k, v in p.get('mismatch', {}).items()}
    parts = [
        f'{source} ({data["number"]} images) and {reference or "nothing"}',
        *(f'{name} {value:.6f}' for name, value in metrics.items()),
        f'{seen.get("extractor")} {seen.get("resizer")}',
        f'weights {seen.get("weights", "")[:DIGITS]}',
        *(f'MISMATCH {k}: {v[0]} and {v[1]}' for k, v in differences.items()),
    ]
    return f'{logs.timestamp()} {"; ".join(parts)}'


def run(args: argparse.Namespace) -> None:
    """Measure, and write the results down."""
    import json
    import logging

    from vq import distributed, logs

    source = paths.resolve_input(args.data_root).resolve()
    validator = build(args, source)
    metrics, folder = validator.run(), validator.work_dir
    if not distributed.is_main():
        return
    protocols = validator.protocols()
    record = dict(source=str(source), **metrics, protocols=protocols)
    logs.append_json(folder / 'metrics.jsonl', record)
    with (folder / 'fid.txt').open('a') as file:
        file.write(line(source, metrics, protocols) + '\n')
    if 'fid' in metrics:
        logging.getLogger('vq').info('FID: %s', metrics['fid'])
    print(json.dumps(metrics))


def main() -> None:
    """Parse the command line, then measure."""
    args = parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
