"""YAML of taming-transformers and of MoVQGAN, and those who grew out of them."""

from typing import Any

from vq.recipes import lightning
from vq.recipes.data import Data, batches, learning_rate
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.losses import NONE, losses
from vq.recipes.network import KL_WEIGHT, ddconfig, network
from vq.recipes.recipe import Options, Recipe

BETAS = (0.5, 0.9)
PARAMS = 'model.params.'
# The quantizer, and whether there is a discriminator, by the name of the class.
_MODELS = dict(
    VQModel=('vector', True),
    EMAVQ=('ema', True),
    GumbelVQ=('gumbel', True),
    MOVQ=('vector', True),
    MoVQ=('vector', True),
    VQSegmentationModel=('vector', False),
    VQNoDiscModel=('vector', False),
)
_MODULATED = ('movq',)
_COLOURS = 'colours of segmentation maps; pictures in the log are images here'
_LEFT = dict(
    ckpt_path='weights: tools/convert_checkpoints.py, then --load-model-from',
    ignore_keys='names of weights that are not loaded',
    colorize_nlabels=_COLOURS,
    n_labels=_COLOURS,
    remap='RemappedQuantizer numbers tokens anew once a codebook is trained',
    scheduler_config='the rate is constant here; `schedulers` has others',
)


def recipe(ledger: Ledger, options: Options) -> Recipe:
    """Return the training that YAML says, and account for all its keys.

    Raises:
        RecipeError: There is no network of ours like it.
    """
    target = str(ledger.take('model.target', 'model'))
    name = target.rpartition('.')[2]
    if name not in _MODELS:
        raise RecipeError(
            f'model.target is {target!r}; known are {", ".join(_MODELS)}, of any module'
        )
    quantizer, adversarial = _MODELS[name]
    spatial = name.lower() in _MODULATED
    module = target.lower()
    family = 'movqgan' if spatial or 'movqgan' in module else 'taming'
    settings = ddconfig(ledger, f'{PARAMS}ddconfig.')
    loss = losses(ledger, f'{PARAMS}lossconfig.', adversarial=adversarial)
    sizes = codebook(ledger)
    kl_weight = float(
        ledger.take(
            f'{PARAMS}kl_weight',
            'model.tokenizer.quantizer.kl_weight',
            default=KL_WEIGHT,
        )
    )
    model, shapes = network(
        settings,
        **sizes,
        quantizer=quantizer,
        spatial=spatial,
        weight=loss.codebook_weight,
        kl_weight=kl_weight,
    )
    title = f'{name}, {sizes["codebook_size"]:,} codes of {sizes["dim"]} channels'
    made = Recipe(title, family, shapes | loss.shapes)
    made.bases.append(f'models/{"movqgan" if spatial else "vqgan"}.py')
    if quantizer == 'gumbel':
        made.bases.append('quantizers/gumbel.py')
    made.want(model=model | loss.model)
    _training(ledger, made, options, settings['resolution'])
    without_discriminator(made, loss.adversarial)
    if quantizer == 'gumbel':
        _temperature(ledger, made)
    _others(ledger, made)
    return made


def codebook(ledger: Ledger, at: str = PARAMS) -> dict[str, int]:
    """Return the number of codes, and their channels.

    Args:
        ledger: The account.
        at: Key of the model's arguments, with its dot.

    Raises:
        RecipeError: One of them is not told.
    """
    part = 'model.tokenizer.quantizer.'
    sizes = dict(
        codebook_size=ledger.take(f'{at}n_embed', f'{part}codebook_size'),
        dim=ledger.take(
            f'{at}embed_dim', f'{part}dim', 'model.tokenizer.post_encode.out_dim'
        ),
    )
    if None in sizes.values():
        raise RecipeError(f'{at}n_embed and {at}embed_dim are needed; got {sizes}')
    return {name: int(value) for name, value in sizes.items()}


def _training(ledger: Ledger, made: Recipe, options: Options, resolution: int) -> None:
    at = 'lightning.trainer.' if ledger.below('lightning.trainer.') else 'trainer.'
    devices = lightning.Devices(ledger, at, options)
    plain = made.family == 'movqgan'
    data = Data(ledger, made, options, resolution=resolution, augment=not plain)
    total = data.batch_size * devices.total
    made.bases += ['strategies/ddp.py', 'runtime.py']
    made.bases.append(f'schedules/{"movqgan" if plain else "vqgan"}.py')
    made.bases.append(f'aliases/{made.family}.py')
    batches(ledger, made, total)
    if devices.accumulate > 1:
        made.want(trainer=dict(accumulate=devices.accumulate))
    known = Options(gpus=options.gpus, images=data.images)
    lightning.trainer(ledger, made, at, known, batch_size=total)
    keys = (f'{PARAMS}learning_rate', 'model.learning_rate')
    # That rule counts the devices of one node.
    rate = learning_rate(ledger, options, total // devices.nodes, keys)
    adam(
        made, rate, spatial=made.fragments['model']['pre_decode']['type'] == 'Identity'
    )


def adam(made: Recipe, rate: float | None, *, spatial: bool = False) -> None:
    """Put the two optimizers of taming-transformers into a recipe.

    Args:
        made: The recipe.
        rate: Of both; None leaves that of our schedule.
        spatial: Whether the decoder is MoVQ's, with the connector in it.
    """
    told: dict[str, Any] = dict(betas=BETAS) | ({} if rate is None else dict(lr=rate))
    parts = (
        ['tokenizer', 'decoder'] if spatial else ['tokenizer', 'pre_decode', 'decoder']
    )
    made.want(optimizers=dict(generator=dict(told, params=parts), discriminator=told))


def without_discriminator(made: Recipe, adversarial: bool) -> None:
    """Take the discriminator out of optimizers and callbacks, if there is none."""
    if adversarial:
        return
    made.want(model=NONE)
    made.fragments['optimizers']['discriminator'] = None
    made.want(train_callbacks=dict(discriminator=None))


def _temperature(ledger: Ledger, made: Recipe) -> None:
    """Put the temperature's cosine into a recipe."""
    at = f'{PARAMS}temperature_scheduler_config.'
    place = 'train_callbacks.temperature.'
    ledger.same(f'{at}target', 'AnnealCallback')
    ledger.same(f'{at}params.verbosity_interval', 'the log has it')
    keys = dict(
        lr_max=f'{place}start', lr_min=f'{place}end', max_decay_steps=f'{place}iters'
    )
    told = {
        words.rpartition('.')[2]: ledger.take(f'{at}params.{key}', words)
        for key, words in keys.items()
    }
    begin = ledger.take(f'{at}params.warm_up_steps', f'{place}begin', default=0)
    if begin:
        ledger.leave(f'{at}params.lr_start', 'before the decay it stays at lr_max')
    ledger.same(f'{at}params.lr_start', 'without a warm-up it begins at lr_max')
    if None in told.values():
        return
    # The original counts the steps of its warm-up among those of the decay.
    iters = max(1, int(told.pop('iters')) - int(begin))
    made.want(train_callbacks=dict(temperature=dict(told, begin=begin, iters=iters)))


def _others(ledger: Ledger, made: Recipe) -> None:
    for key, why in _LEFT.items():
        ledger.leave(f'{PARAMS}{key}', why)
    if ledger.get(f'{PARAMS}image_key', 'image') == 'image':
        ledger.same(f'{PARAMS}image_key', 'a batch has images')
    else:
        ledger.leave(f'{PARAMS}image_key', 'a batch has images, and nothing else')
    ledger.same(f'{PARAMS}sane_index_shape', 'tokens are always (b, h, w)')
    decay = ledger.take(f'{PARAMS}ema_decay', 'train_callbacks.ema')
    ema = decay and dict(type='EMACallback', decay=float(decay))
    made.want(train_callbacks=dict(ema=ema))
    lightning.other(ledger, made)
    ledger.leave('model.project', 'work_dirs/NAME is the name of a run')
    if made.fragments['model'].get('discriminator', True) is None:
        return
    ledger.remark(
        'discriminator',
        "it sees the generator's own pass; Lightning makes a second: "
        '--override .trainer.model.discriminator_forward::repeated',
    )
