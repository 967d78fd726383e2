"""The flags of LlamaGen's training of a tokenizer (https://arxiv.org/abs/2406.06525)."""

from typing import Any

from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.losses import UNUSED
from vq.recipes.published import (
    Shapes,
    llamagen_vq,
    patch_discriminator,
    stylegan_discriminator,
)
from vq.recipes.recipe import IMAGENET, Options, Recipe

EMA_DECAY = 0.9999  # of its update_ema
MULTS = {'VQ-16': (1, 1, 2, 2, 4), 'VQ-8': (1, 2, 2, 4)}
_MAIN = 'discriminator.main.'
_PLACED = 'everything lies in work_dirs/NAME'
SAME = {
    '--results-dir': _PLACED,
    '--cloud-save-path': _PLACED,
    '--no-local-save': _PLACED,
    '--global-seed': 'auto_torchrun -m vq.train ... --seed',
    '--no-compile': 'strategy.compile is False by default',
}
LEFT = {
    '--gradient-accumulation-steps': UNUSED,
    '--vq-ckpt': 'weights: tools/convert_checkpoints.py, then --load-model-from',
    '--gpt-ckpt': 'weights: tools/convert_checkpoints.py, then --load-model-from',
    '--finetune': '--load-model-from begins with weights, at iteration 0',
    '--data-face-path': 'one data set: ConcatDataset joins several',
}
_AUTOCAST = {'none': None, 'bf16': 'bf16', 'fp16': 'fp16'}
_LOSSES = {
    'hinge': 'HingeLoss',
    'vanilla': 'VanillaLoss',
    'non-saturating': 'NonSaturatingLoss',
}
_PIXELS = {'l1': ('l1_loss', 'L1Loss'), 'l2': ('mse_loss', 'MSELoss')}


def recipe(ledger: Ledger, options: Options) -> Recipe:
    """Return the training that flags of vq_train.py say, and account for all of them.

    Raises:
        RecipeError: There is no network of ours like it.
    """
    name = ledger.take('--vq-model', 'model.tokenizer.encoder', default='VQ-16')
    if name not in MULTS:
        raise RecipeError(f'--vq-model is {name!r}; LlamaGen knows {", ".join(MULTS)}')
    part = 'model.tokenizer.quantizer.'
    codebook_size = int(
        ledger.take('--codebook-size', f'{part}codebook_size', default=16384)
    )
    dim = int(ledger.take('--codebook-embed-dim', f'{part}dim', default=8))
    loss, discriminator = _losses(ledger)
    shapes = llamagen_vq(MULTS[name], codebook_size=codebook_size, dim=dim)
    title = f'{name} of LlamaGen, {codebook_size:,} codes of {dim} channels'
    made = Recipe(title, 'llamagen', shapes | discriminator)
    made.bases = ['models/llamagen.py']
    made.want(model=_network(ledger, name, codebook_size, dim) | loss)
    _data(ledger, made, options)
    common(ledger, made, names=('generator', 'discriminator'), lr=1e-4)
    ledger.leave('--weight-decay', UNUSED)
    if ledger.take('--compile', 'strategy.compile', default=False):
        made.want(strategy=dict(compile=True))
    return made


def _network(ledger: Ledger, name: str, codebook_size: int, dim: int) -> dict[str, Any]:
    mults = MULTS[name]
    ledger.same('--codebook-l2-norm', 'a flag that is always on there')
    if ledger.get('--dropout-p', 0.0):
        why = 'residual blocks have no dropout here; only training differs'
        ledger.leave('--dropout-p', why)
    ledger.same('--dropout-p', 'there is none here')
    part = 'model.tokenizer.quantizer.'
    beta = ledger.take('--commit-loss-beta', f'{part}commitment_weight', default=0.25)
    ratio = ledger.take('--entropy-loss-ratio', f'{part}entropy_weight', default=0.0)
    if ledger.get('--codebook-weight', 1.0) != 1.0:
        ledger.leave('--codebook-weight', UNUSED)
    ledger.same('--codebook-weight', '1, as in the original whatever it says')
    widths = dict(width=128, latent_dim=256)
    return dict(
        tokenizer=dict(
            encoder=dict(width_mults=mults, depth=2, attention=(-1,), **widths),
            post_encode=dict(in_dim=256, out_dim=dim),
            quantizer=dict(
                codebook_size=codebook_size,
                dim=dim,
                normalize=True,
                commitment_weight=float(beta),
                entropy_weight=float(ratio),
            ),
        ),
        pre_decode=dict(in_dim=dim, out_dim=256),
        decoder=dict(width_mults=mults[::-1], depth=3, attention=(0,), **widths),
    )


def _losses(ledger: Ledger) -> tuple[dict[str, Any], Shapes]:
    """Return the losses, and the published keys of the discriminator."""
    part = 'model.reconstruction_losses'
    kind = ledger.take('--reconstruction-loss', part, default='l2')
    pixels = float(ledger.take('--reconstruction-weight', part, default=1.0))
    perceptual = float(
        ledger.take('--perceptual-weight', f'{part}.lpips_loss.weight', default=1.0)
    )
    name, type_ = _chosen(_PIXELS, '--reconstruction-loss', kind)
    losses: dict[str, Any] = dict.fromkeys(('l1_loss', 'mse_loss'))
    losses[name] = dict(type=type_, weight=pixels)
    losses['lpips_loss'] = dict(type='LPIPSLoss', weight=perceptual)
    model: dict[str, Any] = dict(reconstruction_losses=losses)
    model['adversarial_loss'] = _adversarial(ledger)
    model['adversarial_weight'] = None
    start = ledger.take('--disc-start', 'model.discriminator_start', default=20_000)
    model['discriminator_start'] = int(start)
    ledger.remark('--disc-start', 'counted from 0: one iteration later than there')
    judge = ledger.take('--disc-type', 'model.discriminator', default='patchgan')
    if judge == 'stylegan':
        size = int(ledger.get('--image-size', 256))
        model['discriminator'] = dict(type='StyleGANDiscriminator', image_size=size)
        return model, stylegan_discriminator('discriminator.', image_size=size)
    model['discriminator'] = dict(type='PatchDiscriminator', depth=3, width=64)
    return model, patch_discriminator(_MAIN, depth=3, width=64, in_dim=3)


def _adversarial(ledger: Ledger) -> dict[str, Any]:
    part = 'model.adversarial_loss'
    place = (f'{part}.generator_weight', f'{part}.discriminator_weight')
    weight = float(ledger.take('--disc-weight', *place, default=0.5))
    judge = ledger.take('--disc-loss', f'{part}.type', default='hinge')
    generator = ledger.take('--gen-loss', f'{part}.type', default='hinge')
    type_ = _chosen(_LOSSES, '--disc-loss', judge)
    weights = dict(generator_weight=weight, discriminator_weight=weight)
    if judge == 'non-saturating':
        told = 'the original swaps logits and targets; legacy_targets=True does so, too'
        ledger.remark('--disc-loss', told)
    if (generator == 'hinge') == (judge != 'non-saturating'):
        return dict(type=type_, **weights)
    # Ours come in pairs: the generator's minimises what the discriminator's does.
    ledger.leave('--gen-loss', f'{type_} has a loss of the generator of its own')
    return dict(type=type_, **weights)


def _data(ledger: Ledger, made: Recipe, options: Options) -> None:
    name = ledger.get('--dataset', 'imagenet')
    if name == 'imagenet':
        ledger.same('--dataset', 'datasets/imagenet.py')
    else:
        ledger.leave('--dataset', 'another fragment of datasets/ has it')
    ledger.leave('--data-path', '.trainer.dataset.data_root; below data/imagenet here')
    made.bases += ['datasets/imagenet.py', 'augment/strong.py']
    size = int(ledger.take('--image-size', 'train_dataset.transforms', default=256))
    if size != 256:
        crop = dict(type='RandomResizedCrop', size=size, scale=(0.8, 1.0))
        mirror = dict(type='RandomHorizontalFlip')
        cut = [dict(type='Resize', size=size), dict(type='CenterCrop', size=size)]
        made.want(
            train_dataset=dict(transforms=[crop, mirror]),
            val_dataset=dict(transforms=cut),
        )
    ledger.remark('augmentation', 'squares of 0.8 to 1 of the side there: strong.py')
    images = options.images or (IMAGENET if name == 'imagenet' else None)
    made.bases += ['schedules/llamagen.py', 'strategies/ddp.py', 'runtime.py']
    length(ledger, made, images, batch_size=128, epochs=40)


def length(
    ledger: Ledger,
    made: Recipe,
    images: int | None,
    *,
    batch_size: int,
    epochs: int,
) -> None:
    """Put the batches and how many they are into a recipe.

    Args:
        ledger: The account.
        made: The recipe.
        images: In the training set; None where that is not known.
        batch_size: The original's default.
        epochs: Likewise.
    """
    place = ('train_dataloader.batch_size', 'val_dataloader.batch_size')
    total = int(ledger.take('--global-batch-size', *place, default=batch_size))
    made.want(train_dataloader=dict(batch_size=total))
    made.want(val_dataloader=dict(batch_size=total))
    number = int(ledger.take('--epochs', 'iters', default=epochs))
    if images:
        made.want(iters=number * (images // total))
        ledger.remark('--epochs', f'{number} of {images:,} images')
    else:
        ledger.leave('--epochs', 'epochs of how many images? --images says it')


def common(ledger: Ledger, made: Recipe, *, names: tuple[str, ...], lr: float) -> None:
    """Put what both trainings of LlamaGen have into a recipe.

    Args:
        ledger: The account.
        made: The recipe.
        names: Of the optimizers.
        lr: The original's default.
    """
    place = f'optimizers.{names[0]}.'
    rate = float(ledger.take('--lr', f'{place}lr', default=lr))
    betas = tuple(
        float(ledger.take(f'--beta{i}', f'{place}betas', default=default))
        for i, default in ((1, 0.9), (2, 0.95))
    )
    clip = float(ledger.take('--max-grad-norm', f'{place}clip_grad', default=1.0))
    told = dict(lr=rate, betas=betas, clip_grad=clip or None)
    made.want(optimizers={name: dict(told) for name in names})
    workers = ledger.take('--num-workers', 'train_dataloader.num_workers')
    if workers is not None:
        made.want(train_dataloader=dict(num_workers=int(workers)))
    for key, callback, default in (
        ('--log-every', 'log', 100),
        ('--ckpt-every', 'checkpoint', 5000),
    ):
        interval = ledger.take(key, f'train_callbacks.{callback}', default=default)
        made.want(train_callbacks={callback: dict(interval=int(interval))})
    precision = ledger.take('--mixed-precision', 'strategy.autocast', default='bf16')
    autocast = _chosen(_AUTOCAST, '--mixed-precision', precision)
    made.want(strategy=dict(autocast=autocast))
    ema = ledger.take('--ema', 'train_callbacks.ema', default=False)
    made.want(
        train_callbacks=dict(
            ema=dict(type='EMACallback', decay=EMA_DECAY) if ema else None
        )
    )
    for key, reason in SAME.items():
        ledger.same(key, reason)
    for key, reason in LEFT.items():
        ledger.leave(key, reason)
    for key in ledger.leaves:
        if key.startswith('torchrun '):
            ledger.same(key, 'auto_torchrun finds nodes and devices')


def _chosen(known: dict[str, Any], flag: str, value: Any) -> Any:
    if value not in known:
        raise RecipeError(f'{flag} is {value!r}; LlamaGen knows {", ".join(known)}')
    return known[value]
