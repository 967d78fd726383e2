"""Command lines that make something of a data set: `vq.fid`, `tokenize`."""

import argparse

from vq.cli.flags import (
    add_autocast,
    add_changes,
    add_config,
    add_load_model_from,
    new_parser,
)


def fid_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.fid`."""
    parser = new_parser(
        'vq.fid',
        'Write the statistics of a data set that FID and its kin compare with, '
        'pretrained/fid/DATASET_val.safetensors. Killed, it goes on where it stood.',
    )
    parser.add_argument(
        'dataset', help='a file of configs/fid without .py: imagenet; or a config file'
    )
    parser.add_argument(
        '--train', action='store_true', help='the training split, each image once'
    )
    parser.add_argument(
        '--features',
        type=int,
        metavar='N',
        help='keep N features too, for KID, precision and recall',
    )
    parser.add_argument(
        '--name', help='name of the file (default: DATASET_val, or DATASET_train)'
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='make it anew; drop what an interrupted run of something else left',
    )
    add_changes(parser, example='.dataloader.batch_size:1024')
    parser.add_argument(
        '--strategy',
        choices=['ddp', 'cuda'],
        default='ddp',
        help='one process a device, by either name (default %(default)s)',
    )
    parser.add_argument(
        '--autocast',
        action='store_true',
        help='taken as other commands take it; features are always float32',
    )
    return parser


def tokenize_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.tasks.image_tokenization.tokenize`."""
    parser = new_parser(
        'vq.tasks.image_tokenization.tokenize',
        'Save the tokens of a data set in work_dirs/NAME_tokenize[_train]/tokens.',
    )
    parser.add_argument('name', help='name of the run')
    add_config(parser)
    parser.add_argument(
        '--train',
        action='store_true',
        help='the training images, with their augmentation',
    )
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    add_autocast(parser)
    add_load_model_from(parser)
    return parser
