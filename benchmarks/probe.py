"""Whether tokens that tell a teacher's features know more of classes than others.

    python benchmarks/probe.py

On handwritten digits one and the same tokenizer (8x8 tokens of 256 codes) learns from
pixels, as the demo's VQGAN, and as VQ-KD from each of three small teachers made on the
spot: principal components of patches, convolutions as they were drawn, and the same
convolutions after learning the classes. Then a linear probe tells the classes from the
frozen tokens; the numbers are of digits that no training saw.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.config import load
from vq.datasets.base import ImageDataset
from vq.datasets.loader import train_loader, val_loader
from vq.metrics import AccuracyMetric, CodebookMetric
from vq.models.teachers.base import Teacher
from vq.models.teachers.pca import fit_pca
from vq.registry import DATASETS, MODELS
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate, Updates
from vq.types import Batch

Config = dict[str, Any]
DEMO = 'configs/demo/vqgan_digits.py'
PROBE = 'configs/ic/digits.py'
GRID, CLASSES, WIDTH = 8, 10, 64
DIM = 8  # channels of a code
BATCH = 64


@MODELS.register_module()
class ConvTeacher(Teacher):
    """Convolutions that see most of a digit at each of 8x8 positions."""

    def __init__(self) -> None:
        super().__init__(weights='random')
        layers: list[nn.Module] = []
        for in_dim, stride, dilation in (
            (3, 2, 1), (WIDTH, 2, 1), (WIDTH, 1, 1), (WIDTH, 1, 2), (WIDTH, 1, 2),
        ):  # fmt: skip
            layers += [
                nn.Conv2d(
                    in_dim, WIDTH, 3, stride, padding=dilation, dilation=dilation
                ),
                nn.GroupNorm(8, WIDTH),
                nn.GELU(),
            ]
        self.network = nn.Sequential(*layers)
        self.out_dim, self.downscale = WIDTH, 4
        self.set_pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to features (b, c, h, w)."""
        features: Tensor = self.network(pixels)
        return features


def vit_tokenizer() -> Config:
    """Return the config of the tokenizer that all systems share."""
    encoder = dict(
        type='ViTEncoder', image_size=32, patch=4, width=WIDTH, depth=3, heads=4,
        mlp_ratio=2.0, latent_dim=DIM,
    )  # fmt: skip
    return dict(
        type='ImageTokenizer',
        encoder=encoder,
        post_encode=dict(type='Identity'),
        quantizer=dict(type='NormEMAQuantizer', codebook_size=256, dim=DIM, decay=0.9),
    )


def conv_tokenizer() -> Config:
    """Return the same with the demo's encoder."""
    tokenizer = load(DEMO).trainer.model.tokenizer.to_dict()
    post_encode = tokenizer['post_encode'] | dict(out_dim=DIM)
    return tokenizer | dict(
        post_encode=post_encode, quantizer=vit_tokenizer()['quantizer']
    )


def vqgan(tokenizer: Config, iters: int) -> Config:
    """Return the config of the demo's VQGAN with this tokenizer."""
    model: Config = load(DEMO).trainer.model.to_dict()
    pre_decode = model['pre_decode'] | dict(in_dim=DIM)
    start = iters * 2 // 3
    return model | dict(
        tokenizer=tokenizer, pre_decode=pre_decode, discriminator_start=start
    )


def vqkd(tokenizer: Config, teacher: Config, channels: int) -> Config:
    """Return the config of a VQ-KD with this tokenizer and a decoder of one block."""
    decoder = dict(
        type='ViTDecoder', out_dim=channels, grid=GRID, width=WIDTH, depth=1, heads=4,
        mlp_ratio=2.0, latent_dim=DIM,
    )  # fmt: skip
    return dict(type='VQKD', tokenizer=tokenizer, decoder=decoder, teacher=teacher)


def train(
    model: Any, dataset: ImageDataset, optimizers: Config, *, iters: int, batch: int
) -> None:
    """Train a system as `vq.train` does, with rates that fall by a cosine."""
    updates = Updates()
    for name, spec in optimizers.items():
        updates[name] = OptimizerUpdate(
            name=name,
            spec=spec,
            schedule=dict(type='CosineAnnealingLR', T_max=iters),
            model=model,
            strategy=DDPStrategy(),
        )
    model.train()
    loader = train_loader(dataset, batch_size=batch, num_workers=0, seed=0, start=0)
    for _, images in zip(range(iters), loader, strict=False):
        logs = model.train_step(images, updates)
        for update in updates.values():
            update.finish_iteration(logs)
        updates.iteration += 1


def everything(dataset: ImageDataset) -> Batch:
    """Return a whole data set as one batch."""
    length = len(dataset)
    loader = val_loader(dataset, batch_size=length, num_workers=0, block_size=length)
    return next(iter(loader))


def learn_classes(teacher: ConvTeacher, images: Batch, iters: int) -> nn.Module:
    """Let a teacher's network learn the classes; return the layer behind it."""
    teacher.network.requires_grad_(True)
    head = nn.Linear(WIDTH, CLASSES)
    moved = [*teacher.network.parameters(), *head.parameters()]
    adam = torch.optim.Adam(moved, lr=1e-3)
    for _ in range(iters):
        chosen = torch.randint(len(images), (BATCH,))
        pixels = teacher.prepare(images.original_image[chosen].float())
        logits = head(teacher.network(pixels).mean((2, 3)))
        loss = functional.cross_entropy(logits, images.category[chosen])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    teacher.freeze()
    return head


def conv_teacher(images: Batch, iters: int) -> dict[str, Tensor]:
    """Return the weights of a ConvTeacher after so many iterations of learning."""
    teacher = ConvTeacher()
    if iters:
        learn_classes(teacher, images, iters)
    return dict(teacher.network.state_dict())


def system(
    name: str, tokenizer: Config, images: Batch, iters: int
) -> tuple[Any, Config]:
    """Return a system to be trained, and its optimizers."""
    if name == 'pixels':
        model = MODELS.build(vqgan(tokenizer, iters))
        optimizers = load(DEMO).trainer.optimizers.to_dict()
        optimizers = {key: dict(spec, lr=1e-3) for key, spec in optimizers.items()}
        return model, optimizers
    teacher: Config = dict(type='ConvTeacher')
    if name == 'components':
        teacher = dict(type='PCATeacher', weights='', patch=4, dim=16)
        weights = fit_pca(images.original_image, patch=4, dim=16)
    else:
        weights = conv_teacher(images, dict(random=0, classes=300)[name])
    channels = teacher.get('dim', WIDTH)
    model = MODELS.build(vqkd(tokenizer, teacher, channels))
    model.teacher.network.load_state_dict(weights)
    return model, dict(generator=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.99)))


def probe(tokenizer: Config, weights: Mapping[str, Tensor]) -> dict[str, float]:
    """Train a probe of a frozen tokenizer; return its numbers on held-out digits."""
    config = load(PROBE, options=dict(it_config=DEMO))
    model = MODELS.build(dict(type='LinearProbe', tokenizer=tokenizer, classes=CLASSES))
    model.tokenizer.load_state_dict(weights)
    train(
        model,
        DATASETS.build(config.trainer.dataset),
        config.trainer.optimizers.to_dict(),
        iters=config.trainer.iters,
        batch=config.trainer.dataloader.batch_size,
    )
    images = everything(DATASETS.build(config.validator.dataset))
    accuracy, codebook = AccuracyMetric(top_k=(1,)), CodebookMetric(codebook_size=256)
    with torch.no_grad():
        output = model.eval().val_step(images)
    for metric in (accuracy, codebook):
        metric.update(images, output)
    return accuracy.compute() | dict(usage=codebook.compute()['usage'])


TOKENIZERS: dict[str, Callable[[], Config]] = dict(
    vit=vit_tokenizer, conv=conv_tokenizer
)
SYSTEMS = ('pixels', 'components', 'random', 'classes')


def measure(encoder: str, name: str, seed: int, iters: int) -> dict[str, float]:
    """Train one system and its probe."""
    torch.manual_seed(seed)
    dataset = DATASETS.build(load(DEMO).trainer.dataset)
    tokenizer = TOKENIZERS[encoder]()
    model, optimizers = system(name, tokenizer, everything(dataset), iters)
    start = time.process_time()
    train(model, dataset, optimizers, iters=iters, batch=BATCH)
    seconds = time.process_time() - start
    return probe(tokenizer, model.tokenizer.state_dict()) | dict(seconds=seconds)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--encoders', nargs='+', choices=TOKENIZERS, default=['vit'])
    parser.add_argument('--systems', nargs='+', choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--iters', type=int, default=600)
    args = parser.parse_args()
    print('| encoder | tokens of | top-1 | over seeds | usage | seconds |')
    print('|---|---|---:|---|---:|---:|')
    for encoder in args.encoders:
        for name in args.systems:
            found = [
                measure(encoder, name, seed, args.iters) for seed in range(args.seeds)
            ]
            mean = {key: statistics.mean(f[key] for f in found) for key in found[0]}
            each = json.dumps([round(f['top1'], 3) for f in found])
            print(
                f'| {encoder} | {name} | {mean["top1"]:.1%} | {each} | '
                f'{mean["usage"]:.0%} | {mean["seconds"]:.0f} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
