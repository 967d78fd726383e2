"""Experiments of proposal networks: sizes, recipes, and what their options do."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden_cases import OWN
from vq.config import Config, load
from vq.registry import MODELS
from vq.runners.schedules import Schedule

ROOT = Path(__file__).parents[1]
LLAMAGEN = 'configs/llamagen/c2i_{}_imagenet_{}.py'
AR = 'configs/ar/c2i_llama_medium_cfg_imagenet_ddp.py'


def loaded(path: str, **options: Any) -> Config:
    return load(ROOT / path, options=options)


def parameters(config: Config) -> int:
    with torch.device('meta'):
        model = MODELS.build(config.validator.model)
    return sum(p.numel() for p in model.transformer.parameters())


@pytest.mark.parametrize(
    ('name', 'published'), [('B', 'B'), ('medium', 'L'), ('XL', 'XL')]
)
@pytest.mark.parametrize('size', ['', '_384'])
def test_networks_are_as_large_as_the_published(
    name: str, published: str, size: str
) -> None:
    keys = OWN / 'key_shapes' / f'llamagen_c2i_GPT-{published}.json.gz'
    elements = json.loads(gzip.decompress(keys.read_bytes()))['elements']
    assert parameters(loaded(LLAMAGEN.format(name + size, 'ddp'))) == elements


def test_the_recipe_reaches_the_optimizer_that_is_used() -> None:
    trainer = loaded(LLAMAGEN.format('medium', 'ddp'), iters=1000, warmup=100).trainer
    (optimizer,) = trainer.optimizers.values()
    assert tuple(optimizer.betas) == (0.9, 0.95)
    assert optimizer.weight_decay == 0.05
    assert optimizer.clip_grad == 1.0
    assert set(trainer.schedulers) == set(trainer.optimizers)


@pytest.mark.parametrize('path', [AR, LLAMAGEN.format('B', 'ddp')])
def test_the_cosine_ends_with_the_training(path: str) -> None:
    trainer = loaded(path, iters=6789).trainer
    schedule = trainer.schedulers.transformer
    parts = schedule.get('schedulers', [schedule])
    begin = schedule.get('milestones', [0])[-1]
    assert begin + parts[-1].T_max == trainer.iters == 6789


@pytest.mark.parametrize('iters', [3, 4])
def test_a_warm_up_may_be_the_whole_training(iters: int) -> None:
    config = loaded(LLAMAGEN.format('B', 'ddp'), iters=iters, warmup=4)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=3.0)
    schedule = Schedule(optimizer, config.trainer.schedulers.transformer)
    rates = []
    for _ in range(iters):
        rates += [optimizer.param_groups[0]['lr']]
        schedule.step({})
    assert rates == pytest.approx([0, 1, 2, 3][:iters], abs=1e-6)


def test_a_token_store_takes_the_place_of_the_images_in_training_alone() -> None:
    images, tokens = loaded(AR), loaded(AR, tokens='work_dirs/x/tokens')
    expected = dict(type='TokenSampleDataset', root='work_dirs/x/tokens')
    assert tokens.trainer.dataset == expected
    assert images.trainer.dataset.type == 'ImageNetDataset'
    assert tokens.validator == images.validator


def test_the_tokenizer_is_that_of_ir_config() -> None:
    path = 'configs/vqgan/8192_dd2_aglwg075_imagenet_ddp.py'
    theirs, config = loaded(path).validator.model, loaded(AR, ir_config=path)
    for part in ('tokenizer', 'pre_decode', 'decoder'):
        assert config.validator.model[part] == theirs[part]
        assert config.trainer.model[part] == theirs[part]


def test_weights_are_taken_in_the_order_tokenizer_then_decoder() -> None:
    trainer = loaded(AR, it_state_dict='a.pth', ir_state_dict='b.pth').trainer
    assert trainer.weights == ['a.pth', 'b.pth']
    assert loaded(AR).trainer.weights == [None, None]
