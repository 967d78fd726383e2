"""`make demo-kd`: tokens of understanding, and pictures made of them.

Fits a small teacher to photographs on the spot, principal components of their patches,
and makes two tokenizers from it: VQ-KD and Cluster. Each then gets a pixel decoder,
while it is frozen. Nothing is downloaded; interrupted, it goes on where it stood.
"""

import time
from pathlib import Path

import torch
from demo import last_record, run
from PIL import Image

from vq.checkpoints.files import write_safetensors
from vq.config import load
from vq.datasets.decoding import read_image
from vq.images import grid, save_png
from vq.models.teachers import fit_pca
from vq.paths import ROOT

NAME = 'demo/kd'
TOKENIZERS = ('vqkd', 'cluster')
ITERATIONS = 800  # of a pixel decoder
FOLDER = ROOT / 'work_dirs' / NAME


def fit_teacher() -> Path:
    """Fit the teacher of the two configs to the training photographs."""
    teacher = load(ROOT / 'configs/demo/vqkd_photos.py').trainer.model.teacher
    out = ROOT / teacher.weights
    pictures = sorted((ROOT / 'data/photos/train').rglob('*.png'))
    images = torch.stack([read_image(path) for path in pictures])
    weights = fit_pca(images, patch=teacher.patch, dim=teacher.dim)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(out, weights)
    print(
        f'\nThe teacher: {teacher.dim - 1} principal components of {teacher.patch}x'
        f'{teacher.patch} px patches of {len(pictures)} crops, fitted here and now; '
        'no trained network, and nothing but colours and edges to understand'
    )
    return out


def run_commands(tokenizer: str) -> None:
    """Train a tokenizer, then a pixel decoder for it, and validate both."""
    config = f'configs/demo/{tokenizer}_photos.py'
    name, decoder = f'{NAME}/{tokenizer}', f'{NAME}/decoder_{tokenizer}'
    model = f'work_dirs/{name}/checkpoints/latest/model.pth'
    run('auto_torchrun', '-m', 'vq.train', name, config, '--auto-resume')
    run('auto_torchrun', '-m', 'vq.val', name, config)
    options = (
        '--config-options',
        f'it_config::{config}',
        'ir_config::configs/demo/vqgan_photos.py',
    )
    train = (
        *('--load-model-from', model, '--auto-resume'),
        *('--override', f'.trainer.iters:{ITERATIONS}'),
        f'.trainer.schedulers.generator.T_max:{ITERATIONS}',
    )
    config = 'configs/decoder/vqgan.py'
    run('auto_torchrun', '-m', 'vq.train', decoder, config, *options, *train)
    # The checkpoint names its tokenizer: nobody needs to say it again.
    measure = ('--override', '.validator.metrics.fid:None')
    run('auto_torchrun', '-m', 'vq.val', decoder, config, *options, *measure)


def draw() -> Path:
    """Put the sheets of both decoders side by side."""
    sheets = []
    for tokenizer in TOKENIZERS:
        found = (FOLDER / f'decoder_{tokenizer}' / 'val').glob('*/batched_visual/*.png')
        newest = max(found, key=lambda path: path.stat().st_mtime)
        sheets.append(read_image(newest))
    path = FOLDER / 'reconstructions.png'
    save_png(grid(torch.stack(sheets), columns=1, padding=8), path)
    return path


def summary(seconds: float, sheet: Path) -> str:
    """Say what was measured, and where everything lies."""
    lines = ['', 'On two photographs that training never saw:']
    for tokenizer in TOKENIZERS:
        told = last_record(FOLDER / tokenizer / 'val' / 'metrics.jsonl')
        seen = last_record(FOLDER / f'decoder_{tokenizer}' / 'val' / 'metrics.jsonl')
        lines.append(
            f'  {tokenizer:<8} cosine loss {told["cosine_loss"]:.4f}, usage '
            f'{told["codebook/usage"]:.1%}, perplexity '
            f'{told["codebook/perplexity"]:.0f}; its pixel decoder: PSNR '
            f'{seen["psnr"]:.2f} dB, SSIM {seen["ssim"]:.3f}'
        )
    with Image.open(sheet) as picture:
        size = 'x'.join(map(str, picture.size))
    shown = sheet.relative_to(ROOT)
    lines += [
        f'  this demo took {seconds:.0f} s',
        f'  {shown} ({size}): above VQ-KD, below Cluster',
        f"  the teacher's features and those told: work_dirs/{NAME}/vqkd/",
    ]
    return '\n'.join(lines)


def main() -> None:
    """Run the demo."""
    started = time.monotonic()
    run('python', 'tools/prepare_data.py', 'photos')
    fit_teacher()
    for tokenizer in TOKENIZERS:
        run_commands(tokenizer)
    print(summary(time.monotonic() - started, draw()))


if __name__ == '__main__':
    main()
