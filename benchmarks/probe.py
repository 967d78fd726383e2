"""Whether tokens that tell a teacher's features know more of classes than others.

    python tools/prepare_data.py digits
    python benchmarks/probe.py

On handwritten digits one and the same tokenizer (8x8 tokens of 256 codes on a sphere)
learns from pixels, as the demo's VQGAN, and as VQ-KD from each of three small teachers:
principal components of patches, convolutions as they were drawn, and the same
convolutions after learning the classes. Then classes are told from the frozen
tokenizer, by our linear probe and by scikit-learn's logistic regression, of digits that
no training saw. Interrupted, it goes on where it stood. Figures of each run and the
table lie in work_dirs/benchmarks/probe/.
"""

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from probe_figures import (
    CODES,
    DEMO,
    Result,
    everything,
    features,
    held_out_figures,
    regression,
)
from probe_teachers import TEACHERS, WIDTH
from torch import Tensor, nn

from vq.checkpoints.files import write_safetensors
from vq.config import load
from vq.paths import ROOT
from vq.registry import RUNNERS
from vq.runners.base import Job
from vq.runners.trainer import Trainer
from vq.types import Batch

Config = dict[str, Any]
FOLDER = ROOT / 'work_dirs/benchmarks/probe'
PROBE = 'configs/ic/digits.py'
DIM, GRID, BATCH = 32, 8, 32  # channels of a code; tokens a side; images
WARMUP = 50  # iterations until the demo's learning rate is reached
SYSTEMS = ('pixels', *TEACHERS)
# VQGAN's augmentation, without a mirror: that of a digit is none.
AUGMENT = dict(type='RandomResizedCrop', size=32, scale=(0.8, 1.0))
REVIVAL = dict(type='RevivalCallback', interval=50, max_age=0.0)
VIT = dict(
    type='ViTEncoder', image_size=32, patch=4, width=64, depth=3, heads=4,
    mlp_ratio=2.0, latent_dim=DIM,
)  # fmt: skip


def tokenizer_config(encoder: str) -> Config:
    """Return the tokenizer that all systems share: the demo's encoder, or a ViT."""
    demo: Config = load(DEMO).trainer.model.tokenizer.to_dict()
    quantizer = dict(type='NormEMAQuantizer', codebook_size=CODES, dim=DIM, decay=0.95)
    if encoder == 'vit':
        parts = dict(encoder=VIT, post_encode=dict(type='Identity'))
    else:
        parts = dict(post_encode=demo['post_encode'] | dict(out_dim=DIM))
    return demo | parts | dict(quantizer=quantizer)


def vqgan(tokenizer: Config, iters: int) -> Config:
    """Return the demo's VQGAN with this tokenizer."""
    model: Config = load(DEMO).trainer.model.to_dict()
    return model | dict(
        tokenizer=tokenizer,
        pre_decode=model['pre_decode'] | dict(in_dim=DIM),
        discriminator_start=iters * 2 // 3,  # as there
    )


def vqkd(
    tokenizer: Config, name: str, images: Batch, folder: Path, *, depth: int
) -> Config:
    """Return a VQ-KD with this tokenizer, a decoder of `depth` blocks, its teacher."""
    teacher, weights = TEACHERS[name](images)
    file = folder / 'teacher.safetensors'
    write_safetensors(file, weights)
    decoder = dict(
        type='ViTDecoder', out_dim=teacher.get('dim', WIDTH), grid=GRID, width=64,
        depth=depth, heads=4, mlp_ratio=2.0, latent_dim=DIM,
    )  # fmt: skip
    teacher['weights'] = str(file)
    return dict(type='VQKD', tokenizer=tokenizer, decoder=decoder, teacher=teacher)


def schedule(iters: int) -> Config:
    """Return a short warm-up and a cosine, in so many iterations."""
    warmup = min(WARMUP, iters // 2)
    return dict(
        type='SequentialLR',
        schedulers=[
            dict(type='LinearLR', start_factor=0.01, total_iters=warmup),
            dict(type='CosineAnnealingLR', T_max=iters - warmup),
        ],
        milestones=[warmup],
    )


def trainer(section: Config, folder: Path, seed: int) -> Trainer:
    """Build a trainer."""
    job = Job(name=folder.name, work_dir=folder, config=load(DEMO), seed=seed)
    built: Trainer = RUNNERS.build(section, job=job)
    return built


def train(model: Config, folder: Path, *, iters: int, seed: int) -> nn.Module:
    """Train a system on the demo's digits, all in the same way; return it."""
    section = load(DEMO).trainer.to_dict()
    section['dataset']['transforms'] = [AUGMENT]
    if model['type'] == 'VQKD':
        rates = section['optimizers']['generator'] | dict(
            params=['tokenizer', 'decoder']
        )
        section['optimizers'] = dict(generator=rates)
    run = trainer(
        section
        | dict(
            model=model,
            iters=iters,
            dataloader=dict(batch_size=BATCH, num_workers=0),
            schedulers={name: schedule(iters) for name in section['optimizers']},
            callbacks=[REVIVAL],
        ),
        folder,
        seed,
    )
    run.run()
    return run.model.eval()


def remember(tokenizer: Any) -> None:
    """Let a frozen tokenizer look at each picture once: a probe's come unchanged."""
    tokenize: Callable[[Tensor], Tensor] = tokenizer.tokenize
    known: dict[bytes, Tensor] = {}

    def look_up(image: Tensor) -> Tensor:
        keys = [picture.numpy().tobytes() for picture in image]
        new = [i for i, key in enumerate(keys) if key not in known]
        if new:
            found = tokenize(image[new])
            known.update((keys[i], found[n]) for n, i in enumerate(new))
        return torch.stack([known[key] for key in keys])

    tokenizer.tokenize = look_up


def train_probe(
    tokenizer: Config, weights: Mapping[str, Tensor], folder: Path, *, seed: int
) -> Any:
    """Train a LinearProbe of a tokenizer as configs/ic/digits.py says; return it."""
    file = folder / 'tokenizer.safetensors'
    write_safetensors(file, {f'tokenizer.{k}': v for k, v in weights.items()})
    section = load(PROBE, options=dict(it_config=DEMO)).trainer.to_dict()
    section['model']['tokenizer'] = tokenizer
    section['dataloader']['num_workers'] = 0
    run = trainer(section | dict(callbacks=[]), folder, seed)
    run.load_weights([file], strict=False)
    remember(run.model.tokenizer)
    run.run()
    return run.model.eval()


def measure(encoder: str, name: str, seed: int, *, iters: int, depth: int) -> Result:
    """Train one system and its probe, or return what was measured before."""
    folder = FOLDER / f'{encoder}_{name}_{depth}_{iters}_{seed}'
    known = folder / 'result.json'
    if known.exists():
        result: Result = json.loads(known.read_text())
        return result
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    seen, held_out = everything('trainer'), everything('validator')
    tokenizer = tokenizer_config(encoder)
    if name == 'pixels':
        config = vqgan(tokenizer, iters)
    else:
        config = vqkd(tokenizer, name, seen, folder, depth=depth)
    start = time.process_time()
    model: Any = train(config, folder, iters=iters, seed=seed)
    result = dict(seconds=time.process_time() - start)
    probe = train_probe(tokenizer, model.tokenizer.state_dict(), folder, seed=seed)
    result |= held_out_figures(model, probe, held_out)
    before, after = features(model, seen), features(model, held_out)
    for kind in before:
        result[kind] = regression(
            before[kind], seen.category, after[kind], held_out.category
        )
    known.write_text(json.dumps(result))
    return result


COLUMNS = dict(
    teacher='teacher',
    latents='latents',
    tokens='tokens',
    codes='which codes',
    probe='tokens, our probe',
)


def row(encoder: str, name: str, results: Sequence[Result]) -> str:
    """Return a system's line of the table, over seeds."""
    cells = [encoder, name]
    for key in COLUMNS:
        values = [100 * result[key] for result in results if key in result]
        cells.append(f'{statistics.mean(values):.1f}' if values else '')
        if len(values) > 1:
            cells[-1] += f' ± {statistics.stdev(values):.1f}'
    mean = {key: statistics.mean(r[key] for r in results) for key in results[0]}
    cells += [f'{mean["usage"]:.0%}', f'{mean["perplexity"]:.0f}']
    cells.append(
        f'{mean["task"]:.1f} dB' if name == 'pixels' else f'{mean["task"]:.3f}'
    )
    cells.append(f'{mean["seconds"]:.0f}')
    return f'| {" | ".join(cells)} |'


def head() -> list[str]:
    """Return the first lines of the table."""
    cells = ['encoder', 'learns from', *COLUMNS.values()]
    cells += ['usage', 'perplexity', 'PSNR or cosine loss', 'seconds']
    return [f'| {" | ".join(cells)} |', f'|---|---|{"---:|" * (len(cells) - 2)}']


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--encoders', nargs='+', choices=('conv', 'vit'), default=['conv'])
    add('--systems', nargs='+', choices=SYSTEMS, default=SYSTEMS)
    add('--seeds', type=int, default=3, help='runs of each (default %(default)s)')
    add('--iters', type=int, default=600, help='(default %(default)s)')
    add('--depth', type=int, default=1, help="blocks of VQ-KD's decoder (1)")
    add('--threads', type=int, default=1, help='(default %(default)s)')
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, print a table, and write it."""
    flags = parse()
    torch.set_num_threads(flags.threads)
    logging.basicConfig(level=logging.ERROR)
    if not (ROOT / 'data/digits/train').is_dir():
        raise SystemExit('there are no digits: python tools/prepare_data.py digits')
    lines = head()
    print('\n'.join(lines))
    for encoder in flags.encoders:
        for name in flags.systems:
            results = [
                measure(encoder, name, seed, iters=flags.iters, depth=flags.depth)
                for seed in range(flags.seeds)
            ]
            lines.append(row(encoder, name, results))
            print(lines[-1], flush=True)
    (FOLDER / 'table.md').write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
