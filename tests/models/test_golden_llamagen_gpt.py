"""LlamaGen's class-conditional GPT: golden cases 07b."""

import re

import torch
from torch import nn

from tests.golden_cases import cases
from tests.models import golden
from vq import config, paths
from vq.conversion import FAMILIES
from vq.models.proposal import cross_entropy
from vq.models.transformers import (
    Sampling,
    Steps,
    TokenHead,
    TokenTransformer,
    sample,
)
from vq.models.transformers.guidance import filtered
from vq.registry import MODELS
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate
from vq.types import Loss

FAMILY = FAMILIES['llamagen_gpt']
PUBLISHED = paths.ROOT / 'configs' / 'llamagen' / 'c2i_B_imagenet_ddp.py'


class System(nn.Module):
    """Holds a case's network where our names have it."""

    def __init__(self, case):
        super().__init__()
        side = round(case.config['args']['block_size'] ** 0.5)
        options = dict(grid=(side, side), heads=case.config['args']['n_head'])
        model = FAMILY.model_config(case.weights, **options)
        sizes = [case.config['args']['vocab_size']]
        body = MODELS.build(model['transformer'])
        self.transformer = TokenTransformer(
            body=body,
            head=TokenHead(dim=body.dim, token_sizes=sizes),
            token_sizes=sizes,
            classes=case.config['args']['num_classes'],
        )
        self.load_state_dict(FAMILY.to_ours(case.weights, **options).weights)

    def theirs(self, weights):
        """Return weights, or anything else by our names, by the original's."""
        return FAMILY.from_ours(FAMILY.for_export(weights, self)[0]).weights

    def gradients(self):
        return self.theirs({k: p.grad for k, p in self.named_parameters()})


def labels(case, system, variant):
    """Return the labels that a variant's network sees."""
    dropped = case.inputs['drop_ids'].bool() & (variant == 'drop')
    return torch.where(dropped, system.transformer.null, case.inputs['labels'])


def logits(system, tokens, category):
    (found,) = system.transformer(tokens[..., None], category)
    return found


@cases('07b_')
def test_training_logits_losses_and_gradients(path):
    case = golden.Case(path)
    rows = case.inputs['tokens'][..., None]
    for variant in ('nodrop', 'drop'):
        system = System(case).train()
        expected = golden.under(case.outputs, f'train/{variant}/')
        found = logits(system, rows[..., 0], labels(case, system, variant))
        golden.close_values(found, expected['logits'])
        losses = cross_entropy([found], rows)
        golden.close_values(losses.mean(), expected['loss'])
        if 'loss_valid' in expected:
            valid = case.inputs['valid'].bool()
            golden.close_values(losses[valid].mean(), expected['loss_valid'])
        losses.mean().backward()
        gradients = system.gradients()
        for key, value in golden.under(expected, 'grad/').items():
            golden.close_gradients(gradients[key], value)
        for key, value in golden.under(expected, 'gradnorm/').items():
            golden.close_gradients(gradients[key].norm(), value)
    assert golden.under(expected, 'gradnorm/').keys() == gradients.keys()


@cases('07b_')
@torch.no_grad()
def test_positions_and_logits_of_all(path):
    case = golden.Case(path)
    system, tokens = System(case).eval(), case.inputs['tokens']
    table = system.transformer.body.table.permute(1, 2, 0)
    golden.close_values(table, case.outputs['freqs_cis'][: len(table)])
    expected = golden.under(case.outputs, 'eval/logits_all_positions')
    category = case.inputs['labels']
    null = torch.full_like(category, system.transformer.null)
    golden.close_values(logits(system, tokens, category), expected[''])
    golden.close_values(logits(system, tokens, null), expected['_null_class'])


@cases('07b_')
@torch.no_grad()
def test_teacher_forced_logits_through_the_cache(path):
    case = golden.Case(path)
    network = System(case).eval().transformer
    category, tokens = case.inputs['labels'], case.inputs['tokens']
    condition = network.condition(category)[:, None]
    embedded = torch.cat([condition, network.subtokens(tokens[..., None])[:, :, 0]], 1)
    for static in (False, True):
        cache = network.body.cache(len(tokens), dtype=torch.float32, static=static)
        found = []
        for i in range(network.length):
            cache.advance(i, 1)
            features = network.body(embedded[:, i : i + 1], cache)
            found += network.logits(features, features[..., None, :][..., :0, :])
        golden.close_values(
            torch.cat(found, 1), case.outputs['cache/logits_teacher_forced']
        )


@cases('07b_')
@torch.no_grad()
def test_generated_tokens_and_raw_logits(path):
    case = golden.Case(path)
    system = System(case).eval()
    network, category = system.transformer, case.inputs['labels']
    uniform = torch.zeros(len(category), network.length, 1, dtype=torch.float64)
    kinds = {key.split('/')[1] for key in case.outputs if key.endswith('/raw_logits')}
    assert kinds
    for kind in kinds:
        expected = golden.under(case.outputs, f'generate/{kind}/')
        for static in (False, True):
            drawn = sample(
                network,
                network.condition(category),
                uniform=uniform,
                sampling=settings(kind),
                steps=Steps(network, static=static),
            )
            assert torch.equal(drawn[..., 0], expected['tokens'])
        found = [logits(system, expected['tokens'], category)]
        if len(expected['raw_logits']) > len(category):
            null = torch.full_like(category, network.null)
            found.append(logits(system, expected['tokens'], null))
        golden.close_values(torch.cat(found), expected['raw_logits'])


def settings(kind):
    """Return what a name such as cfg4_interval5_topk1 stands for."""
    numbers = {key: int(n) for key, n in re.findall(r'([a-z]+)(\d+)', kind)}
    interval = numbers.get('interval')
    return Sampling(
        cfg=numbers['cfg'],
        # Steps are counted after the first token, and the last one is still guided.
        cfg_tokens=None if interval is None else interval + 2,
        temperature=0 if kind.startswith('greedy') else 1,
        top_k=numbers.get('topk'),
    )


@cases('07b_')
def test_filters(path):
    case = golden.Case(path)
    given = case.inputs['filter_logits']
    expected = golden.under(case.outputs, 'filter/')
    assert expected
    for kind, value in expected.items():
        top_k, top_p = (re.search(rf'_{key}([\d.]+)', kind)[1] for key in ('k', 'p'))
        tempered = re.search(r'_t([\d.]+)', kind)
        scale = float(tempered[1]) if tempered else 1.0
        found = scattered(given / scale, Sampling(top_k=int(top_k), top_p=float(top_p)))
        golden.close_values(found.softmax(-1) if tempered else found, value)


def scattered(given, sampling):
    """Return filtered logits in the order of tokens."""
    values, tokens = filtered(given, sampling)
    return torch.full_like(given, -torch.inf).scatter(-1, tokens, values)


@cases('07b_')
def test_three_steps_in_float64(path):
    case = golden.Case(path)
    system = System(case).double().train()
    before = system.theirs({k: v.clone() for k, v in system.state_dict().items()})
    spec = config.load(PUBLISHED).trainer.optimizers.transformer
    update = OptimizerUpdate(
        name='transformer',
        spec=spec.to_dict() | dict(lr=case.config['lr']),
        schedule=None,
        model=system,
        strategy=DDPStrategy(),
    )
    rows, category = case.inputs['tokens'][..., None], labels(case, system, 'drop')

    def loss():
        found = system.transformer(rows, category)
        return Loss(total=cross_entropy(found, rows).mean(), logs={})

    expected = golden.under(case.outputs, 'opt64/')
    steps = sorted(key for key in expected if key.endswith('/loss'))
    for step in steps:
        golden.close(update(loss).total.detach(), expected[step], 1e-5, 1e-5)
    after = system.theirs(system.state_dict())
    for key, value in golden.under(expected, 'final/').items():
        golden.close(after[key], value, 1e-5, 1e-5)
    changes = golden.under(expected, 'change_norm/')
    assert steps and changes.keys() == after.keys()
    for key, value in changes.items():
        golden.close((after[key] - before[key]).norm(), value, 1e-5, 1e-5)
