"""The flags of LlamaGen's class-conditional training (https://arxiv.org/abs/2406.06525)."""

from typing import Any

from vq.conversion.llamagen_gpt import HEADS
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import Ledger
from vq.recipes.llamagen import common, length
from vq.recipes.published import llamagen_gpt
from vq.recipes.recipe import IMAGENET, Options, Recipe, squares

# Blocks, heads, channels, and the fragment that says so, if one does.
SIZES = {
    'GPT-B': (12, 12, 768, 'llama_B'),
    'GPT-L': (24, 16, 1024, 'llama_medium'),
    'GPT-XL': (36, 20, 1280, 'llama_XL'),
    'GPT-XXL': (48, 24, 1536, 'llama_XXL'),
    'GPT-XXXL': (48, 40, 2560, ''),
    'GPT-1B': (22, 32, 2048, ''),
    'GPT-3B': (24, 32, 3200, 'llama_3B'),
    'GPT-7B': (32, 32, 4096, ''),
}
CODES = 16384
_OTHER = 'configs/llamagen/vqgan_imagenet_ddp.py'


def recipe(ledger: Ledger, options: Options) -> Recipe:
    """Return the training that flags of train_c2i.py say, and account for all of them.

    Raises:
        RecipeError: There is no network of ours like it.
    """
    name = ledger.take('--gpt-model', 'model.transformer', default='GPT-B')
    if name not in SIZES:
        known = ', '.join(SIZES)
        raise RecipeError(f'--gpt-model is {name!r}; LlamaGen knows {known}')
    _refuse(ledger)
    depth, heads, dim, fragment = SIZES[name]
    codes = int(
        ledger.take(
            '--vocab-size', 'model.tokenizer.quantizer.codebook_size', default=CODES
        )
    )
    classes = int(ledger.take('--num-classes', 'model.classes', default=1000))
    shapes = llamagen_gpt(dim=dim, depth=depth, codebook_size=codes, classes=classes)
    made = Recipe(f'{name} of LlamaGen over {codes:,} codes', 'llamagen_gpt', shapes)
    made.bases = [
        f'transformers/{fragment or "llama_B"}.py',
        'transformers/llamagen.py',
        'datasets/imagenet.py',
        'augment/weak.py',
        'schedules/ar.py',
        'strategies/ddp.py',
        'runtime_proposal.py',
        'proposal.py',
        'guided.py',
    ]
    side = _side(ledger, made)
    body = dict(
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=-(-(8 * dim // 3) // 256) * 256,
        grid=(side, side),
        positions='grid',
    )
    made.want(model=dict(transformer=body, classes=classes))
    made.want(model=_dropout(ledger))
    if codes != CODES:
        made.want(model=dict(tokenizer=dict(quantizer=dict(codebook_size=codes))))
    _training(ledger, made, options)
    if dim not in HEADS:
        ledger.remark('weights', f'tools/convert_checkpoints.py: heads:{heads}')
    return made


def _refuse(ledger: Ledger) -> None:
    kind = ledger.get('--gpt-type', 'c2i')
    if kind != 'c2i':
        raise RecipeError(
            f'--gpt-type is {kind!r}: our proposal networks know classes and no text'
        )
    ledger.same('--gpt-type', 'classes, as here')
    number = ledger.get('--cls-token-num', 1)
    if number != 1:
        raise RecipeError(
            f'--cls-token-num is {number}: our sequences begin with one class'
        )
    ledger.same('--cls-token-num', 'one, as here')


def _side(ledger: Ledger, made: Recipe) -> int:
    place = ('model.transformer.grid', 'train_dataset.transforms')
    size = int(ledger.take('--image-size', *place, default=256))
    factor = int(ledger.take('--downsample-size', place[0], default=16))
    if size != 256:
        made.want(**squares(size, augment=True))
    if factor != 16:
        ledger.remark(
            '--downsample-size', f'{_OTHER} is f16: --config-options ir_config::CONFIG'
        )
    return size // factor


def _dropout(ledger: Ledger) -> dict[str, Any]:
    body = 'model.transformer.'
    inner = float(ledger.take('--dropout-p', f'{body}dropout', default=0.1))
    tokens = float(ledger.take('--token-dropout-p', 'model.dropout', default=0.1))
    if ledger.get('--drop-path-rate', 0.0):
        why = 'no block is left out in training here; only training differs'
        ledger.leave('--drop-path-rate', why)
        inner = 0.0  # the original has one or the other
    ledger.same('--drop-path-rate', 'there is none here')
    return dict(dropout=tokens, transformer=dict(dropout=inner))


def _training(ledger: Ledger, made: Recipe, options: Options) -> None:
    ledger.same('--dataset', 'datasets/imagenet.py, or tokens of it')
    ledger.leave(
        '--code-path',
        'LlamaGenCodesDataset(root=...) reads such folders; '
        '--config-options tokens::FOLDER those of vq.tasks.image_tokenization',
    )
    images = options.images or IMAGENET
    length(ledger, made, images, batch_size=256, epochs=300)
    common(ledger, made, names=('transformer',), lr=1e-4)
    place = 'optimizers.transformer.weight_decay'
    decay = float(ledger.take('--weight-decay', place, default=0.05))
    made.want(optimizers=dict(transformer=dict(weight_decay=decay, eps=1e-8)))
    made.want(schedulers=dict(transformer=None))  # its rate is constant
    if not ledger.get('--no-compile', False):
        made.want(strategy=dict(compile=True))
        ledger.remark('compile', 'on by default there; strategy.compile')
