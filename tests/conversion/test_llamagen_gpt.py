"""LlamaGen's GPT in our words and back: tiny, golden and full-size."""

import pytest
import torch

from tests.conversion import networks
from tests.conversion.networks import equal, published
from tests.golden_cases import cases
from tests.models.golden import Case
from vq import config, paths
from vq.checkpoints import only, read_weights
from vq.conversion import FAMILIES, ConversionError, configs, output, reading, structure
from vq.conversion import export as exporting
from vq.models.transformers import Sampling, TokenHead, TokenTransformer, sample
from vq.registry import MODELS

GPT = FAMILIES['llamagen_gpt']
GIVEN = dict(grid=(3, 3), heads=2)  # what no weight of the tiny network tells
SIZES = ['GPT-B', 'GPT-L', 'GPT-XL']


def exported(model):
    """Return the transformer of a model by its published names."""
    weights = only(model.state_dict(), GPT.parts)
    return GPT.from_ours(GPT.for_export(weights, model)[0]).weights


def options(case):
    """Return what no weight of a golden case tells."""
    args = case.config['args']
    side = round(args['block_size'] ** 0.5)
    return dict(grid=(side, side), heads=args['n_head'])


def network(case):
    """Return our transformer with the weights of a golden case."""
    model = GPT.model_config(case.weights, **options(case))
    body = MODELS.build(model['transformer'])
    codes = case.config['args']['vocab_size']
    made = TokenTransformer(
        body=body,
        head=TokenHead(dim=body.dim, token_sizes=[codes]),
        token_sizes=[codes],
        classes=model['classes'],
    )
    ours = GPT.to_ours(case.weights, **options(case)).weights
    made.load_state_dict({k.removeprefix('transformer.'): v for k, v in ours.items()})
    return made.eval(), ours


@cases('07b_')
def test_golden_logits_and_tokens(path):
    case = Case(path)
    made, _ = network(case)
    tokens, labels = case.inputs['tokens'], case.inputs['labels']
    with torch.no_grad():
        (logits,) = made(tokens[..., None], made.condition(labels))
    expected = case.outputs['eval/logits_all_positions']
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    uniform = torch.zeros(*tokens.shape, 1, dtype=torch.float64)
    wanted = {
        'greedy_cfg1': Sampling(temperature=0),
        'cfg4_topk1': Sampling(cfg=4, top_k=1),
    }
    for name, sampling in wanted.items():
        condition = made.condition(labels)
        drawn = sample(made, condition, uniform=uniform, sampling=sampling)
        assert torch.equal(drawn[..., 0], case.outputs[f'generate/{name}/tokens'])


class Model(torch.nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer


@cases('07b_')
def test_golden_weights_there_and_back(path):
    case = Case(path)
    made, ours = network(case)
    pieces, note = GPT.for_export(ours, Model(made))
    assert equal(GPT.from_ours(pieces).weights, case.weights)
    renamed = GPT.to_ours(case.weights, **options(case))
    assert set(renamed.mapped.values()) == set(case.weights)
    assert not renamed.dropped and not note and not GPT.obstacles(Model(made))


@pytest.mark.parametrize('name', SIZES)
def test_full_size_keys_are_all_accounted_for(name):
    weights = published(f'llamagen_c2i_{name}')
    renamed = GPT.to_ours(weights)
    assert set(renamed.mapped.values()) == set(weights) and not renamed.dropped
    model = structure.build(shipped(name.removeprefix('GPT-')))
    own = {k: v.shape for k, v in only(model.state_dict(), GPT.parts).items()}
    assert {key: value.shape for key, value in renamed.weights.items()} == own
    assert not GPT.obstacles(model)
    pieces, _ = GPT.for_export(renamed.weights, model)
    back = GPT.from_ours(pieces).weights
    shapes = {key: value.shape for key, value in weights.items()}
    assert {key: value.shape for key, value in back.items()} == shapes


def shipped(size, pixels=''):
    """Return the config of LlamaGen's network of a size."""
    stem = f'c2i_{"medium" if size == "L" else size}{pixels}_imagenet'
    (file,) = (paths.ROOT / 'configs' / 'llamagen').glob(f'{stem}_[df]*.py')
    return config.load(file).trainer.model


@pytest.fixture(scope='module')
def read_once():
    """Let the shipped configs be read once for all sizes."""
    found = list(configs._shipped(paths.ROOT / 'configs' / 'llamagen'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configs, '_shipped', lambda folder: found)
        yield


# The published sizes: layers, heads, width, and the rule of its code for the MLPs.
@pytest.mark.parametrize(
    ('size', 'depth', 'heads', 'dim'),
    [
        ('B', 12, 12, 768),
        ('L', 24, 16, 1024),
        ('XL', 36, 20, 1280),
        ('XXL', 48, 24, 1536),
        ('3B', 24, 32, 3200),
    ],
)
def test_the_shipped_config_is_chosen(size, depth, heads, dim, read_once):
    mlp_dim = -(-int(2 * 4 * dim / 3) // 256) * 256
    shapes = {
        'tok_embeddings.weight': (16384, dim),
        'cls_embedding.embedding_table.weight': (1001, dim),
        'layers.0.feed_forward.w1.weight': (mlp_dim, dim),
        f'layers.{depth - 1}.ffn_norm.weight': (dim,),
    }
    weights = {k: torch.empty(v, device='meta') for k, v in shapes.items()}
    for grid, pixels in (((16, 16), ''), ((24, 24), '_384')):
        found = GPT.model_config(weights, grid=grid)
        body = found['transformer']
        assert (body['depth'], body['heads'], body['dim']) == (depth, heads, dim)
        path = configs.choose(found)
        assert path is not None and path.parent.name == 'llamagen'
        assert config.load(path).trainer.model == shipped(size, pixels)


def test_a_written_file_and_its_config(tmp_path):
    model = networks.build(networks.LLAMAGEN)
    weights = only(model.state_dict(), GPT.parts)
    file = tmp_path / 'exported.pt'
    form = exporting.Format('llamagen_gpt')
    lines = exporting.export(networks.LLAMAGEN, weights, form, out=file)
    assert lines == [f'{len(weights)} tensors to {file}']
    done = output.convert(file, GPT, out=tmp_path / 'x', options=GIVEN)
    assert equal(read_weights([tmp_path / 'x']), weights)
    assert done.source.container == 'model' and done.written
    written = config.load(done.config)
    config.check(written)
    found = written.trainer.model
    assert found.transformer.to_dict() == networks.LLAMAGEN['transformer']
    assert found.classes == 5 and found.tokenizer  # that of its base


@pytest.mark.parametrize('container', ['model', 'module', 'state_dict', ''])
def test_containers_of_its_trainings(container, tmp_path):
    theirs = exported(networks.build(networks.LLAMAGEN))
    content = {container: theirs} if container else theirs
    torch.save(content, tmp_path / 'x.pt')
    source = reading.read(tmp_path / 'x.pt', GPT)
    assert source.container == container and equal(source.weights, theirs)


def test_what_is_missing_or_too_much():
    theirs = exported(networks.build(networks.LLAMAGEN))
    less = {k: v for k, v in theirs.items() if k != 'layers.1.feed_forward.w3.weight'}
    with pytest.raises(ConversionError, match=r'missing: layers\.1\.feed_forward\.w3'):
        GPT.to_ours(less, **GIVEN)
    with pytest.raises(ConversionError, match='no rule knows these keys: cls_emb'):
        GPT.to_ours(theirs | {'cls_embedding.cap_proj.fc1.weight': torch.ones(1)})
    with pytest.raises(ConversionError, match='grid is a tuple, got 16'):
        GPT.to_ours(theirs, grid=16)
    # How many heads an unknown width has would only be a guess.
    with pytest.raises(ConversionError, match='is not published.*--options heads:'):
        GPT.to_ours(theirs, grid=GIVEN['grid'])


@pytest.mark.parametrize(
    ('model', 'reason'),
    [
        (networks.LLAMA, "transformer.body: positions='row'"),
        (networks.GPT2, 'transformer.body: GPT2 is no Llama'),
        (networks.DDCONFIGS['f2'], 'model: VQGAN has no transformer'),
        (
            networks.proposal(type='Llama', positions='grid', qk_norm=True),
            'transformer.body: qk_norm',
        ),
        (
            networks.proposal(type='Llama', positions='grid', tied_head=True),
            'transformer.head: it is no linear map',
        ),
    ],
)
def test_what_the_format_cannot_hold(model, reason):
    found = GPT.obstacles(structure.build(structure.without_losses(model)))
    assert any(entry.startswith(reason) for entry in found), found
