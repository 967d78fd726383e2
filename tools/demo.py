"""`make demo`: the documented commands, one after the other, on real images.

Trains a small tokenizer on data that need no download, validates it, saves tokens, runs
it on one picture, and sums up. Digits have classes: a small transformer learns their
tokens and draws digits of the class asked for. Interrupted, it goes on where it stood.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from read_digits import describe

from vq.paths import ROOT

DATA = ('digits', 'photos')
GENERATED = 1000  # digits, 100 of each class


def run(*words: str) -> None:
    """Show and run a command in the repository; a failure ends the demo."""
    print(f'\n$ {shlex.join(words)}', flush=True)
    # The commands of the environment that this Python belongs to come first.
    folder = Path(sys.executable).parent
    path = f'{folder}{os.pathsep}{os.environ.get("PATH", "")}'
    code = subprocess.run(words, cwd=ROOT, env=dict(os.environ, PATH=path)).returncode
    if code:
        sys.exit(f'the demo ends here: the command above returned {code}')


def last_record(path: Path) -> dict[str, float]:
    """Return the last line of a JSON-lines file."""
    record: dict[str, float] = json.loads(path.read_text().splitlines()[-1])
    return record


def run_commands(name: str, data: str) -> None:
    """Run the tour of the commands for one data set."""
    config = f'configs/demo/vqgan_{data}.py'
    model = f'work_dirs/{name}/checkpoints/latest/model.pth'
    run('python', 'tools/prepare_data.py', data)
    run('auto_torchrun', '-m', 'vq.train', name, config, '--auto-resume')
    run('auto_torchrun', '-m', 'vq.val', name, config)
    tokenize = 'vq.tasks.image_tokenization.tokenize'
    load = ('--load-model-from', model)
    run('auto_torchrun', '-m', 'vq.test', name, config, '--tokenize', *load)
    run('auto_torchrun', '-m', tokenize, name, config, *load, '--train')
    picture = min((ROOT / 'data' / data / 'val').rglob('*.png')).relative_to(ROOT)
    run('auto_torchrun', '-m', 'vq.inference', config, str(picture), *load)


def generate_digits() -> None:
    """Train a transformer on the tokens of digits, have it draw some, and read them."""
    name, config = 'demo/c2i_digits', 'configs/demo/c2i_digits.py'
    run('auto_torchrun', '-m', 'vq.train', name, config, '--auto-resume')
    run('auto_torchrun', '-m', 'vq.val', name, config)
    load = ('--load-model-from', f'work_dirs/{name}/checkpoints/latest')
    number = ('--number', str(GENERATED), '--batch-size', '250')
    out = ('--out', 'work_dirs/demo/generated')
    run('auto_torchrun', '-m', 'vq.generate', config, *load, *number, *out)
    run('python', 'tools/read_digits.py')


def generated_rows() -> dict[str, str]:
    """Say what was measured of the transformer and of its digits."""
    runs = ROOT / 'work_dirs/demo'
    tokens = last_record(runs / 'c2i_digits' / 'val' / 'metrics.jsonl')
    return {
        'transformer': f'loss {tokens["tokens/loss"]:.3f} nats a token, '
        f'{tokens["tokens/top1"]:.1%} of tokens are the likeliest',
        **describe(json.loads((runs / 'reading.json').read_text())),
        'generated digits': 'work_dirs/demo/generated/, a sheet in '
        'work_dirs/demo/generated.png',
    }


def summary(name: str, data: str, seconds: float) -> str:
    """Say what was measured, and where everything lies."""
    runs = ROOT / 'work_dirs'
    metrics = last_record(runs / f'{name}_test' / 'metrics.jsonl')
    speed = last_record(runs / name / 'speed.jsonl')
    rows = {
        'PSNR': f'{metrics["psnr"]:.2f} dB',
        'SSIM': f'{metrics["ssim"]:.4f}',
        'L1': f'{metrics["l1"]:.5f}',
        'codebook usage': f'{metrics["codebook/usage"]:.1%}',
        'codebook perplexity': f'{metrics["codebook/perplexity"]:.1f}',
        'training speed': f'{speed["images_per_second"]:.0f} images/s',
        **(generated_rows() if data == 'digits' else {}),
        'this demo took': f'{seconds:.0f} s',
        'reconstructions': f'work_dirs/{name}_test/batched_visual/validation.png',
        'one picture': f'work_dirs/vqgan_{data}_inference/',
        'tokens': f'work_dirs/{name}_test/tokens/ (held-out images), '
        f'work_dirs/{name}_tokenize_train/tokens/ (training images)',
        'TensorBoard': f'work_dirs/{name}/tensorboard/ (make tb)',
    }
    width = max(map(len, rows))
    lines = [f'  {key:<{width}}  {value}' for key, value in rows.items()]
    return '\n'.join(['', f'On images of {data} that training never saw:', *lines])


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', nargs='?', default='digits', choices=DATA)
    args = parser.parse_args()
    started = time.monotonic()
    name = f'demo/{args.data}'
    run_commands(name, args.data)
    if args.data == 'digits':
        generate_digits()
    print(summary(name, args.data, time.monotonic() - started))


if __name__ == '__main__':
    main()
