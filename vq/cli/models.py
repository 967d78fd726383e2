"""Command lines of trained models: `vq.inference`, `vq.export`."""

import argparse

from vq.cli.flags import add_autocast, add_config, add_load_model_from, new_parser


def inference_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.inference`."""
    parser = new_parser(
        'vq.inference',
        'Write the tokens of pictures (.npy), and each beside its reconstruction.',
    )
    add_config(parser)
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='picture files')
    add_autocast(parser)
    add_load_model_from(parser)
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    parser.add_argument(
        '--no-crop',
        action='store_true',
        help='take the picture as it is; its sides must suit the network',
    )
    parser.add_argument(
        '--out', metavar='DIR', help='(default work_dirs/CONFIG_inference)'
    )
    return parser


def export_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.export`."""
    parser = new_parser(
        'vq.export', "Write a model's weights as a file of a published code base."
    )
    add_config(parser)
    add_load_model_from(parser)
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    parser.add_argument(
        '--format',
        default='safetensors',
        metavar='FORMAT',
        help='safetensors (ours), taming, movqgan, llamagen, llamagen_gpt, beitv2 '
        'or diffusers (default %(default)s)',
    )
    parser.add_argument(
        '--out',
        metavar='PATH',
        help='(default work_dirs/CONFIG_export/...); with safetensors, a name without '
        'that suffix is a folder of config and weights that needs nothing else',
    )
    parser.add_argument(
        '--image-size',
        type=int,
        default=256,
        metavar='PIXELS',
        help='what the network was trained on, for settings (default %(default)s)',
    )
    return parser
