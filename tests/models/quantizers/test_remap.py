"""RemappedQuantizer: positions among used codes, files, parity with taming (02a)."""

import numpy as np
import pytest
import torch
from einops import rearrange

from tests.golden_cases import cases
from tests.models import golden, tiny
from vq import checkpoints, paths
from vq.models import RemappedQuantizer
from vq.registry import MODELS

VECTOR = dict(type='VectorQuantizer', codebook_size=8, dim=4, init='normal')
USED = [6, 1, 3, 4]


def quantizer(used=USED, **options):
    return RemappedQuantizer(quantizer=VECTOR, used=used, **options)


def latents(module):
    """Return a latent (1, 4, 1, 8) whose codes are 0, 1 ... 7."""
    return module.quantizer.tokens_to_latent(torch.arange(8).view(1, 1, 8))


@pytest.mark.parametrize(('unknown', 'stand_in'), [('extra', 4), (2, 2), (0, 0)])
def test_tokens_are_positions_in_the_list(unknown, stand_in):
    module = quantizer(unknown=unknown)
    expected = torch.tensor([stand_in, 1, stand_in, 2, 3, stand_in, 0, stand_in])
    latent = latents(module)
    tokens = module.latent_to_tokens(latent)
    assert torch.equal(tokens.flatten(), expected)
    assert module.codebook_size == (5 if unknown == 'extra' else 4)
    codes = torch.tensor([*USED, USED[0]])[expected]
    decoded = module.quantizer.codebook[codes].T[None, :, None]
    assert torch.equal(module.tokens_to_latent(tokens), decoded)
    result = module(latent)
    assert torch.equal(result.tokens, tokens)
    assert torch.equal(result.latent, decoded)


def test_random_tokens_are_drawn_evenly_and_anew():
    module = quantizer(unknown='random')
    latent = latents(module).expand(500, -1, -1, -1)
    tokens = module.latent_to_tokens(latent)
    known, unknown = tokens[..., USED], tokens[..., [0, 2, 5, 7]]
    assert (known == torch.arange(4)).all()
    shares = unknown.flatten().bincount(minlength=4) / unknown.numel()
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.05)
    assert not torch.equal(module.latent_to_tokens(latent), tokens)
    result = module(latent)
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))


def test_losses_and_gradients_are_those_of_the_quantizer():
    module = quantizer()
    latent = torch.randn(2, 4, 3, 5, requires_grad=True)
    weight = torch.randn_like(latent)
    results = module(latent), module.quantizer(latent)
    assert results[0].losses == results[1].losses
    gradients = [
        torch.autograd.grad((result.latent * weight).sum(), latent)
        for result in results
    ]
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(module.project(latent), latent)


@pytest.mark.parametrize('kind', ['int64', 'int32', 'uint16'])
def test_the_list_may_be_a_file_below_the_repository(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    np.save(tmp_path / 'used.npy', np.array(USED, kind))
    module = quantizer('used.npy')
    assert module.used.tolist() == USED and module.used.dtype == torch.int64
    with pytest.raises(FileNotFoundError, match=r"used='other.npy'.*np.save"):
        quantizer('other.npy')


@pytest.mark.parametrize(
    ('used', 'message'),
    [
        ([], 'at least one'),
        ([[1, 2]], r'of shape \(1, 2\)'),
        ([0.5], 'got float64'),
        ([1, 8], r'codes in \[0, 8\), got \[8\]'),
        ([-1, 2], r'got \[-1\]'),
        ([3, 1, 3], r'got \[3\] twice'),
    ],
)
def test_a_wrong_list_is_refused(used, message):
    with pytest.raises(ValueError, match=message):
        quantizer(used)


@pytest.mark.parametrize('unknown', [4, -1, 'none', 1.5])
def test_a_wrong_stand_in_is_refused(unknown):
    with pytest.raises(ValueError, match=r'a token in \[0, 4\), got'):
        quantizer(unknown=unknown)


def test_sub_tokens_are_refused():
    product = dict(type='ProductQuantizer', quantizer=VECTOR, groups=2)
    with pytest.raises(ValueError, match='remap the quantizers inside'):
        RemappedQuantizer(quantizer=product, used=USED)
    inside = dict(type='RemappedQuantizer', quantizer=VECTOR, used=USED)
    module = MODELS.build(product | dict(quantizer=inside))
    assert module.token_sizes == (4, 4)


def test_tokens_beyond_the_list_are_refused():
    with pytest.raises(RuntimeError, match='< 4'):
        quantizer().tokens_to_latent(torch.full((1, 1, 1), 4))


def test_weights_of_a_model_without_a_list_fit():
    config = tiny.vqgan()
    plain = MODELS.build(config)
    inner = config['tokenizer']['quantizer']
    remapped = dict(type='RemappedQuantizer', quantizer=inner, used=list(range(32)))
    config['tokenizer']['quantizer'] = remapped
    model = MODELS.build(config)
    for weights in (plain.state_dict(), model.state_dict()):
        report, fitting = checkpoints.match(model, weights)
        assert not (report.missing or report.unexpected or report.mismatched)
        assert set(fitting) == set(model.state_dict())
    model.load_state_dict(checkpoints.match(model, plain.state_dict())[1])
    image = tiny.batch().image
    plain.eval(), model.eval()
    assert torch.equal(model.tokenizer.tokenize(image), plain.tokenizer.tokenize(image))
    assert torch.equal(model(image).image, plain(image).image)


def test_weights_of_a_quantizer_alone_fit_too():
    module = quantizer()
    weights = {'codebook': torch.randn(8, 4)}
    renamed = module.rename_weights(weights, '')
    assert list(renamed) == ['quantizer.codebook']
    assert module.rename_weights(renamed, '') == renamed


@pytest.mark.parametrize('unknown', ['extra', 3])
@cases('02a_')
def test_parity_with_the_original(path, unknown):
    case = golden.Case(path)
    config = case.config
    inner = dict(type='VectorQuantizer', codebook_size=config['n'], dim=config['dim'])
    module = RemappedQuantizer(
        quantizer=inner, used=case.inputs['used'].tolist(), unknown=unknown
    )
    codebook = case.weights['embedding.weight']
    module.quantizer.load_state_dict({'codebook': codebook})
    expected = golden.under(case.outputs, f'remap_unknown_{unknown}/')
    tokens = module(case.inputs['z']).tokens
    assert torch.equal(rearrange(tokens, 'b h w -> (b h w) 1'), expected['indices'])
    assert module.codebook_size == int(expected['re_embed'])
    latent = module.tokens_to_latent(tokens)
    golden.close_values(latent, expected['codebook_entry'])
    codes = rearrange(expected['unmapped'], 'b (h w) -> b h w', h=tokens.shape[1])
    assert torch.equal(latent, module.quantizer.tokens_to_latent(codes))
