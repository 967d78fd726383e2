"""The command lines: one parser a command, imported without torch or mmengine."""

import argparse

SEED = 3407


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command, description=description)
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='rehearse: 8 tiny iterations, no data or weights needed (= DRY_RUN=True)',
    )
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add a config, and the flags that change it."""
    parser.add_argument('config', help='config file: configs/vqgan/X.py')
    _add_changes(parser, example='.trainer.iters:1000')


def _add_changes(parser: argparse.ArgumentParser, *, example: str) -> None:
    parser.add_argument(
        '--config-options',
        nargs='*',
        default=[],
        metavar='NAME::VALUE',
        help='values for the placeholders of the config files',
    )
    parser.add_argument(
        '--override',
        nargs='*',
        default=[],
        metavar='.PATH:VALUE',
        help=f'change the assembled config: {example}',
    )


def _add_autocast(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--autocast',
        action='store_true',
        help='bf16 where the device has it, else fp16 with a gradient scaler',
    )


def _add_load_model_from(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--load-model-from',
        nargs='+',
        default=[],
        metavar='PATH',
        help='weight files or checkpoint folders; where two hold a key, the later wins',
    )


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add the flags of whatever compares with cached statistics."""
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out metrics whose weights or statistics are missing',
    )
    parser.add_argument(
        '--allow-mismatch',
        action='store_true',
        help='compare with statistics made in another way; the record then says so',
    )


def _add_validation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--visual',
        metavar='REGEX',
        help='save each picture whose kind (image, reconstruction) matches fully',
    )
    parser.add_argument('--tokenize', action='store_true', help='save tokens too')
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    add_comparison(parser)


def train_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.train`."""
    parser = _parser('vq.train', 'Train the model of CONFIG in work_dirs/NAME.')
    parser.add_argument('name', help='name of the run, its folder under work_dirs/')
    add_config(parser)
    parser.add_argument('--seed', type=int, default=SEED, help='(default %(default)s)')
    _add_autocast(parser)
    _add_load_model_from(parser)
    parser.add_argument(
        '--load-from',
        metavar='DIR',
        help='checkpoint folder to go on from: .../checkpoints/iter_N',
    )
    parser.add_argument(
        '--auto-resume',
        action='store_true',
        help="go on from the run's newest good checkpoint, if there is one",
    )
    return parser


def val_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.val`."""
    parser = _parser('vq.val', 'Validate the checkpoints of run NAME as they appear.')
    parser.add_argument('name', help='name of the training run')
    add_config(parser)
    _add_validation(parser)
    _add_autocast(parser)
    _add_load_model_from(parser)
    parser.add_argument(
        '--load-from',
        nargs='+',
        metavar='NAME',
        help='validate just these, waiting for each: iter_{15..26}0000',
    )
    parser.add_argument(
        '--watch',
        action='store_true',
        help='never stop, not even when the training has finished',
    )
    return parser


def test_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.test`."""
    parser = _parser('vq.test', 'Validate weights once, in work_dirs/NAME_test.')
    parser.add_argument('name', help='name of the run')
    add_config(parser)
    _add_validation(parser)
    _add_autocast(parser)
    _add_load_model_from(parser)
    return parser


def fid_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.fid`."""
    parser = _parser(
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
    _add_changes(parser, example='.dataloader.batch_size:1024')
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
    parser = _parser(
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
    _add_autocast(parser)
    _add_load_model_from(parser)
    return parser


def config_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.config`."""
    parser = argparse.ArgumentParser(
        prog='vq.config',
        description='Show the resolved config and where each value comes from, '
        'and check it against the classes it names.',
    )
    add_config(parser)
    parser.add_argument(
        '--key', metavar='.PATH', help='show this part only: .trainer.optimizers'
    )
    parser.add_argument(
        '--plain', action='store_true', help='leave the sources out, as in a dump'
    )
    return parser


def compare_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.compare`."""
    parser = argparse.ArgumentParser(
        prog='vq.compare',
        description='Put metrics, cost and config differences of runs side by side. A '
        'letter marks numbers that were not measured in the same way.',
    )
    parser.add_argument(
        'runs', nargs='+', metavar='RUN', help='NAME, NAME_test, or a folder of metrics'
    )
    parser.add_argument(
        '--checkpoints',
        default='last',
        metavar='WHICH',
        help='of each run: last, all, or best:METRIC (default %(default)s)',
    )
    parser.add_argument(
        '--metrics', nargs='+', default=[], metavar='METRIC', help='show just these'
    )
    parser.add_argument('--sort', metavar='METRIC', help='the best row first')
    parser.add_argument(
        '--format',
        default='text',
        choices=['text', 'csv', 'markdown'],
        help='(default %(default)s)',
    )
    parser.add_argument('--out', metavar='FILE', help='write there, not to the console')
    return parser


def export_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.export`."""
    parser = _parser(
        'vq.export', "Write a model's weights as a file of a published code base."
    )
    add_config(parser)
    _add_load_model_from(parser)
    parser.add_argument('--ema', action='store_true', help='use the averaged weights')
    parser.add_argument(
        '--format',
        default='safetensors',
        metavar='FORMAT',
        help='safetensors (ours), taming, llamagen, beitv2 or diffusers '
        '(default %(default)s)',
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


def inference_parser() -> argparse.ArgumentParser:
    """Return the parser of `vq.inference`."""
    parser = _parser(
        'vq.inference',
        'Write the tokens of pictures (.npy), and each beside its reconstruction.',
    )
    add_config(parser)
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='picture files')
    _add_autocast(parser)
    _add_load_model_from(parser)
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
