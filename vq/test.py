"""`auto_torchrun -m vq.test NAME CONFIG --load-model-from M`: validate weights once."""

import argparse

from vq.cli import test_parser


def run(args: argparse.Namespace) -> None:
    """Validate once, as the parsed arguments say."""
    import json

    from vq import commands, distributed, logs

    config = commands.load_config(args, halves=['validator'])
    commands.add_validation(config, args)
    files = commands.weight_files(args)
    validator = commands.build(config, 'validator', name=f'{args.name}_test')
    commands.dump(config, validator.work_dir)
    commands.load_weights(validator, files)
    metrics = validator.run()
    if distributed.is_main():
        record = dict(
            weights=[str(file) for file in files],
            **metrics,
            protocols=validator.protocols(),
        )
        logs.append_json(validator.work_dir / 'metrics.jsonl', record)
        print(json.dumps(metrics))


def main() -> None:
    """Parse the command line, then validate."""
    args = test_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
