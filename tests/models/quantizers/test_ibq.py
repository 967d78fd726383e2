"""IBQuantizer: against dense formulas, in chunks, parity with the original (08b)."""

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.golden_cases import cases
from tests.models import golden, tiny
from vq.models import IBQuantizer, VectorQuantizer
from vq.models.quantizers import ibq
from vq.registry import MODELS


def quantizer(**changes):
    module = IBQuantizer(**dict(codebook_size=16, dim=4) | changes)
    torch.nn.init.normal_(module.codebook)
    return module


def formula(latent, codebook, *, beta=0.25, entropy_weight=0.05, temperature=0.01):
    """Write the paper's quantizer with all its matrices; return result and loss."""
    logits = torch.einsum('b d h w, k d -> b h w k', latent, codebook)
    shares = logits.softmax(-1)
    chosen = functional.one_hot(logits.argmax(-1), len(codebook)).to(shares)
    choice = chosen + shares - shares.detach()
    soft, hard = (
        torch.einsum('b h w k, k d -> b d h w', weights, codebook)
        for weights in (choice, chosen)
    )
    # The mixture's weights have the gradient, and the chosen code.
    loss = (soft - latent).square().mean()
    loss = loss + (hard.detach() - latent).square().mean()
    loss = loss + beta * (hard - latent.detach()).square().mean()
    sharp = rearrange((logits / temperature).softmax(-1), 'b h w k -> (b h w) k')
    entropy = torch.special.entr(sharp).sum(-1).mean()
    share = sharp.mean(0)
    entropy = entropy + (share * (share + 1e-5).log()).sum()
    return soft, logits.argmax(-1), loss + entropy_weight * entropy


@pytest.mark.parametrize('budget_bytes', [1, 7 * 16 * 8, 2**20])
def test_equals_the_dense_formula_in_chunks_of_any_size(budget_bytes, monkeypatch):
    defaults = dict(budget_bytes=budget_bytes)
    monkeypatch.setattr(ibq.mixture_of_codes, '__kwdefaults__', defaults)
    module = quantizer(entropy_temperature=0.5).double()
    latent = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    ramp = torch.randn_like(latent)
    result = module(latent)
    quantized, tokens, loss = formula(latent, module.codebook, temperature=0.5)
    assert torch.equal(result.tokens, tokens)
    torch.testing.assert_close(result.latent, quantized)
    actual = sum(result.losses.values())
    torch.testing.assert_close(actual, loss)
    inputs = (latent, module.codebook)
    gradients = [
        torch.autograd.grad(total + (value * ramp).sum(), inputs)
        for total, value in ((actual, result.latent), (loss, quantized))
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(('rows_at_once', 'largest'), [(20, 20 * 50), (5, 50 * 4)])
def test_no_matrix_of_all_chunks_is_kept(rows_at_once, largest):
    rows = torch.randn(20, 4, requires_grad=True)
    codebook = torch.randn(50, 4, requires_grad=True)
    sizes = []

    def keep(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ibq.mixture_of_codes(rows, codebook, budget_bytes=rows_at_once * 50 * 4)
    assert max(sizes, default=0) <= largest
    assert rows_at_once < 20 or max(sizes) == largest  # where there is one chunk


def test_the_value_is_exactly_the_code_and_every_code_learns():
    module = quantizer()
    latent = torch.randn(2, 4, 3, 5, requires_grad=True)
    result = module(latent)
    assert torch.equal(result.latent, module.tokens_to_latent(result.tokens))
    used = result.tokens.unique()
    assert len(used) < 16
    result.latent.square().sum().backward()
    assert module.codebook.grad.any(-1).all() and latent.grad.any()


def test_which_loss_moves_what():
    module = quantizer()
    latent = torch.randn(1, 4, 3, 3, requires_grad=True)
    losses = module(latent).losses
    moves = dict(
        codebook_loss=(False, True),
        commitment_loss=(True, False),
        entropy_loss=(True, True),
        propagation_loss=(True, True),
    )
    assert list(losses) == list(moves)
    for name, expected in moves.items():
        gradients = torch.autograd.grad(
            losses[name],
            (latent, module.codebook),
            retain_graph=True,
            allow_unused=True,
        )
        moved = tuple(g is not None and bool(g.any()) for g in gradients)
        assert moved == expected, name


def test_a_weight_of_zero_leaves_its_loss_out():
    names = ('propagation', 'codebook', 'commitment', 'entropy')
    module = quantizer(**{f'{name}_weight': 0.0 for name in names})
    assert module(torch.randn(1, 4, 2, 2)).losses == {}
    assert 'entropy_loss' not in quantizer().eval()(torch.randn(1, 4, 2, 2)).losses


def test_codebook_begins_small_and_uniform():
    codebook = IBQuantizer(codebook_size=100, dim=50).codebook.detach()
    assert codebook.abs().max() <= 0.01
    wide = IBQuantizer(codebook_size=100, dim=50, init='normal').codebook.detach()
    assert abs(wide.std() - 1) < 0.05


def test_unknown_init():
    with pytest.raises(ValueError, match="'kmeans'"):
        quantizer(init='kmeans')


def test_it_trains_in_a_vqgan():
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = dict(
        type='IBQuantizer', codebook_size=32, dim=4, init='normal'
    )
    torch.manual_seed(0)
    model = MODELS.build(config)
    before = model.tokenizer.quantizer.codebook.detach().clone()
    model.train_step(tiny.batch(), tiny.adam(model))
    moved = (model.tokenizer.quantizer.codebook != before).any(-1)
    assert moved.all()


@pytest.mark.parametrize('entropy', [0, 1])
@cases('08b_')
def test_parity_with_the_original(path, entropy):
    case = golden.Case(path)
    config = case.config
    module = IBQuantizer(
        codebook_size=config['n'],
        dim=config['dim'],
        codebook_weight=config['beta'],
        entropy_weight=0.05 * entropy,
    )
    module.load_state_dict({'codebook': case.weights['embedding.weight']})
    expected = golden.under(case.outputs, f'entropy{entropy}/')
    latent = case.inputs['z'].requires_grad_()
    result = module(latent)
    (sum(result.losses.values()) + result.latent.square().mean()).backward()
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    if entropy:
        loss = result.losses.pop('entropy_loss') / 0.05
        golden.close_values(loss, expected['entropy_loss'])
        parts = expected['sample_entropy'] - expected['avg_entropy']
        golden.close_values(loss, parts)
    golden.close_values(sum(result.losses.values()), expected['quant_loss'])
    golden.close_gradients(latent.grad, expected['grad_z'])
    golden.close_gradients(module.codebook.grad, expected['grad_codebook'])
    codes = case.inputs['codes'].view_as(result.tokens)
    golden.close_values(module.tokens_to_latent(codes), case.outputs['codebook_entry'])


@pytest.mark.parametrize('cosine', [0, 1])
@cases('08b_')
def test_parity_with_the_plain_quantizer_beside_it(path, cosine):
    """It searches by the angle, if at all on the sphere, for codes of any length."""
    case = golden.Case(path)
    config = case.config
    module = VectorQuantizer(
        codebook_size=config['n'],
        dim=config['dim'],
        distance='cosine' if cosine else 'l2',
        commitment_weight=config['beta'],
        legacy_beta=True,
    )
    module.load_state_dict({'codebook': case.weights['embedding.weight']})
    expected = golden.under(case.outputs, f'vq2_l2norm{cosine}/')
    result = module(case.inputs['z'])
    assert torch.equal(result.tokens.flatten(), expected['indices'])
    golden.close_values(result.latent, expected['zq'])
    golden.close_values(sum(result.losses.values()), expected['loss'])
