"""The command lines: one parser a command, imported without torch or mmengine."""

from vq.cli.data import fid_parser, tokenize_parser
from vq.cli.edit import edit_parser
from vq.cli.flags import (
    SEED,
    add_autocast,
    add_comparison,
    add_config,
    add_load_model_from,
    new_parser,
)
from vq.cli.generate import generate_parser
from vq.cli.models import export_parser, inference_parser
from vq.cli.reading import compare_parser, config_parser
from vq.cli.runs import test_parser, train_parser, val_parser

__all__ = [
    'SEED',
    'add_autocast',
    'add_comparison',
    'add_config',
    'add_load_model_from',
    'compare_parser',
    'config_parser',
    'edit_parser',
    'export_parser',
    'fid_parser',
    'generate_parser',
    'inference_parser',
    'new_parser',
    'test_parser',
    'tokenize_parser',
    'train_parser',
    'val_parser',
]
