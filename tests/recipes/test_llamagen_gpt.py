"""LlamaGen's flags of its transformers."""

import pytest

from vq.models.transformers.llama import mlp_width
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, Ledger
from vq.recipes.llamagen_gpt import SIZES, recipe
from vq.recipes.recipe import Options


def read(**flags):
    named = {f'--{key.replace("_", "-")}': value for key, value in flags.items()}
    ledger = Ledger.of(named)
    made = recipe(ledger, Options())
    left = [row.key for row in ledger.rows(made.fragments) if row.state == LEFT]
    return made.fragments, left


@pytest.mark.parametrize('name', SIZES)
def test_sizes(name):
    depth, heads, dim, _ = SIZES[name]
    fragments, left = read(gpt_model=name, image_size=384)
    body = fragments['model']['transformer']
    assert body['mlp_dim'] == mlp_width(dim)
    assert (body['depth'], body['heads'], body['grid']) == (depth, heads, (24, 24))
    assert not left


def test_the_published_training():
    fragments, left = read(code_path='x')
    assert fragments['iters'] == 300 * (1_281_167 // 256)
    assert fragments['optimizers']['transformer'] == dict(
        lr=1e-4, betas=(0.9, 0.95), clip_grad=1.0, weight_decay=0.05, eps=1e-8
    )
    assert fragments['schedulers'] == dict(transformer=None)
    assert fragments['model']['dropout'] == 0.1
    assert left == ['--code-path']


def test_dropout_or_blocks_left_out():
    fragments, left = read(drop_path_rate=0.1, dropout_p=0.2, token_dropout_p=0.3)
    assert fragments['model']['transformer']['dropout'] == 0.0
    assert fragments['model']['dropout'] == 0.3
    assert left == ['--drop-path-rate']


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (dict(gpt_type='t2i'), 'know classes and no text'),
        (dict(cls_token_num=120), 'begin with one class'),
        (dict(gpt_model='GPT-M'), 'LlamaGen knows GPT-B'),
    ],
)
def test_what_is_no_network_of_ours(flags, message):
    with pytest.raises(RecipeError, match=message):
        read(**flags)
