"""`-m vq.tasks.image_tokenization.tokenize NAME CONFIG`: save a data set's tokens."""

import argparse

from vq.cli import tokenize_parser


def run(args: argparse.Namespace) -> None:
    """Tokenize as the parsed arguments say."""
    from vq import commands
    from vq.config import apply_overrides, check

    halves = ['trainer', 'validator'] if args.train else ['validator']
    config = commands.load_config(args, halves=halves)
    changes = {'.validator.type': 'Tokenizer', '.validator.callbacks': CALLBACKS}
    if args.train:
        changes['.validator.dataset'] = config.trainer.dataset
    apply_overrides(config, changes)
    commands.add_callbacks(config, [dict(type='TokenCallback')])
    if args.ema:
        apply_overrides(config, {'.validator.ema': True})
    check(config)
    files = commands.weight_files(args)
    suffix = '_tokenize_train' if args.train else '_tokenize'
    tokenizer = commands.build(config, 'validator', name=f'{args.name}{suffix}')
    commands.dump(config, tokenizer.work_dir)
    commands.load_weights(tokenizer, files)
    tokenizer.run()


CALLBACKS = [dict(type='LogCallback', interval=50)]


def main() -> None:
    """Parse the command line, then tokenize."""
    args = tokenize_parser().parse_args()
    from vq.commands import command

    command(run)(args)


if __name__ == '__main__':
    main()
