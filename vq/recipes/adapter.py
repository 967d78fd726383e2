"""The JSON of an adapter that trains taming-transformers' models on videos."""

from typing import Any

from vq.recipes.autoencoders import adam, codebook, without_discriminator
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.losses import losses
from vq.recipes.network import ddconfig, network
from vq.recipes.recipe import Options, Recipe, squares

MODEL, TRAINING = 'model_args.', 'train_args.'
EVERY = 3  # the discriminator learns at every third step
START = 10_000  # where the settings have no lossconfig, as in the adapter's example
WEIGHT = 0.8  # likewise
RATE = 1e-4  # where nothing says one, as the adapter has it
_VARIANTS = dict(VQModel='vector', EMAVQ='ema')
_LOSS = f'{MODEL}lossconfig.'
_ROOTS = ('data_dir', 'data_path', 'data_root', 'dataset_path', 'video_dir')
_INTERVALS = dict(
    save_interval='checkpoint',
    checkpoint_interval='checkpoint',
    save_every='checkpoint',
    log_interval='log',
    log_every='log',
    sample_interval='images',
    image_interval='images',
)


def recipe(ledger: Ledger, options: Options) -> Recipe:
    """Return the training that the JSON says, and account for all its keys.

    Raises:
        RecipeError: There is no network of ours like it.
    """
    ledger.same('model_type', 'VQGAN')
    place = 'model.tokenizer.quantizer'
    name = ledger.take(f'{MODEL}model_variant', place, default='VQModel')
    if name not in _VARIANTS:
        known = ', '.join(_VARIANTS)
        raise RecipeError(
            f'{MODEL}model_variant is {name!r}; the adapter knows {known}'
        )
    settings = ddconfig(ledger, f'{MODEL}ddconfig.')
    sizes = codebook(ledger, MODEL)
    told = bool(ledger.below(_LOSS))
    if not told:
        # As if the settings had the one of the adapter's own example.
        ledger.leaves |= _default_loss()
        ledger.remark('lossconfig', "not told: that of the adapter's whole example")
    loss = losses(ledger, _LOSS)
    if not told:
        for key in _default_loss():
            del ledger.leaves[key]
    model, shapes = network(
        settings,
        **sizes,
        quantizer=_VARIANTS[name],
        spatial=False,
        weight=loss.codebook_weight,
    )
    title = f'{name} on clips, {sizes["codebook_size"]:,} codes'
    made = Recipe(title, 'taming', shapes | loss.shapes)
    made.bases = ['models/vqgan.py', 'datasets/clips.py', 'augment/none.py']
    made.bases += ['strategies/ddp.py', 'runtime.py', 'schedules/vqgan.py']
    made.bases.append('aliases/taming.py')
    made.want(**squares(settings['resolution'], augment=False))
    made.want(model=model | loss.model | dict(discriminator_every=EVERY))
    if 'discriminator_start' in loss.model:
        ledger.remark('discriminator', _rhythm(loss.model['discriminator_start']))
    _training(ledger, made)
    without_discriminator(made, loss.adversarial)
    return made


def _rhythm(start: int) -> str:
    """Say when the discriminator learns, and when it does there."""
    here = f'it learns at iterations {start}, {start + EVERY}, ...'
    first = start + -start % EVERY
    there = 'as there' if first == start else f'there at {first}, {first + EVERY}, ...'
    return f'{here}, {there}; what it does there before, at a loss of 0, is left out'


def _default_loss() -> dict[str, Any]:
    target = 'models.taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator'
    weights = dict(disc_start=START, disc_weight=WEIGHT)
    params = {f'{_LOSS}params.{key}': value for key, value in weights.items()}
    return {f'{_LOSS}target': target, **params}


def _training(ledger: Ledger, made: Recipe) -> None:
    place = 'optimizers.generator.lr'
    keys = (f'{MODEL}learning_rate', f'{MODEL}lr', f'{TRAINING}lr')
    rates = [ledger.take(key, place) for key in keys]
    adam(made, next((float(rate) for rate in rates if rate), RATE))
    steps = ledger.take(f'{TRAINING}num_steps', 'iters')
    if steps:
        made.want(iters=int(steps))
    clips = ledger.take(f'{TRAINING}batch_size', 'train_dataloader.batch_size')
    frames = ledger.take(f'{TRAINING}sequence_length', 'train_dataset.frames')
    if clips:
        made.want(train_dataloader=dict(batch_size=int(clips)))
        # Validation looks at frames alone.
        made.want(val_dataloader=dict(batch_size=int(clips) * int(frames or 1)))
    if frames:
        made.want(train_dataset=dict(frames=int(frames)))
    _root(ledger, made)
    workers = ledger.take(f'{TRAINING}num_workers', 'train_dataloader.num_workers')
    if workers is not None:
        made.want(train_dataloader=dict(num_workers=int(workers)))
        made.want(val_dataloader=dict(num_workers=int(workers)))
    for key, callback in _INTERVALS.items():
        part = f'train_callbacks.{callback}.interval'
        interval = ledger.take(f'{TRAINING}{key}', part)
        if interval:
            made.want(train_callbacks={callback: dict(interval=int(interval))})
    if ledger.get(f'{TRAINING}use_taming_loss', True):
        ledger.same(f'{TRAINING}use_taming_loss', 'the losses of VQGAN')
    else:
        why = "the adapter's own loss is not known here: those of VQGAN stand"
        ledger.leave(f'{TRAINING}use_taming_loss', why)


def _root(ledger: Ledger, made: Recipe) -> None:
    """Put the folder of the videos into a recipe."""
    roots = [
        ledger.take(f'{TRAINING}{key}', 'train_dataset.data_root') for key in _ROOTS
    ]
    root = next((root for root in roots if root), None)
    if root is None:
        ledger.remark('videos', 'options train_root and val_root name their folders')
    else:
        made.want(train_dataset=dict(data_root=str(root)))
        ledger.remark('validation', 'option val_root names the folder of its videos')
