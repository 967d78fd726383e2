"""Every family keeps one contract: tokens, values, precisions, files."""

import copy
import math

import pytest
import torch
from torch import Tensor

from tests.models.quantizers.conformance import (
    BATCH,
    HEIGHT,
    WIDTH,
    build,
    draw,
    every_family,
    in_float64,
    seeded,
    state,
    sub_tokens,
    tokens_of,
    total,
)
from tests.models.quantizers.families import FAMILIES
from vq.checkpoints.files import read_file, write_weights
from vq.models.quantizers import Quantizer

MOST = 10**5  # tokens that a round trip goes through
CLEAR = 64  # a margin, in roundings of float32


def all_tokens(module: Quantizer) -> Tensor:
    """Return all tokens, or `MOST` drawn ones, as an image of one row."""
    sizes = module.token_sizes
    if module.codebook_size <= MOST:
        tokens = torch.cartesian_prod(*(torch.arange(size) for size in sizes))
    else:
        tokens = torch.stack([torch.randint(size, (MOST,)) for size in sizes], -1)
    return tokens.view(1, 1, -1, *([len(sizes)] if len(sizes) > 1 else []))


@pytest.mark.parametrize('name', [n for n, f in FAMILIES.items() if f.invert])
def test_tokens_come_back_from_their_latent(name: str) -> None:
    module = build(name).eval()
    invert = FAMILIES[name].invert
    assert invert is not None
    invert(module)
    tokens = all_tokens(module)
    latent = module.tokens_to_latent(tokens)
    source = FAMILIES[name].source(module, latent)
    assert torch.equal(module.latent_to_tokens(source), tokens)
    assert latent.shape == (1, module.dim, 1, tokens.shape[2])


@every_family
def test_forward_says_the_same_as_its_two_halves(name: str) -> None:
    module = build(name).eval()
    latent = draw(module)
    result = seeded(module, latent)
    assert torch.equal(result.tokens, tokens_of(module, latent))
    latent = module.tokens_to_latent(result.tokens)
    assert torch.equal(result.latent, latent)
    # Or the decoder would round its sums differently.
    assert result.latent.stride() == latent.stride()


@pytest.mark.parametrize('name', [n for n, f in FAMILIES.items() if f.looks_up])
def test_in_training_the_value_is_that_of_codes_before_the_pass(name: str) -> None:
    module = build(name).train()
    before = copy.deepcopy(module)
    result = seeded(module, draw(module))
    assert torch.equal(result.latent, before.tokens_to_latent(result.tokens))


@every_family
@pytest.mark.parametrize('training', [True, False])
def test_types_and_shapes(name: str, training: bool) -> None:
    module = build(name).train(training)
    result = module(draw(module))
    groups = len(module.token_sizes)
    shape = (BATCH, HEIGHT, WIDTH, *([groups] if groups > 1 else []))
    assert (result.tokens.dtype, result.tokens.shape) == (torch.int64, shape)
    assert result.latent.shape == (BATCH, module.dim, HEIGHT, WIDTH)
    assert result.latent.dtype == torch.float32
    assert all(loss.shape == () for loss in result.losses.values())
    assert all(name.endswith('_loss') for name in result.losses)
    assert module.advice
    assert math.prod(module.token_sizes) == module.codebook_size
    for part, size in sub_tokens(module, result.tokens):
        assert ((part >= 0) & (part < size)).all()
    assert module.project(draw(module)).shape[2:] == (HEIGHT, WIDTH)


@every_family
def test_all_precisions_choose_alike_but_at_borders(name: str) -> None:
    module = build(name).eval()
    latent = draw(module, number=16)
    exact, margin = in_float64(name, module, latent)
    clear = margin > CLEAR
    assert clear.float().mean() > 0.9  # or the test would say little
    single = tokens_of(module, latent)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = tokens_of(module, latent.bfloat16())
        result = seeded(module, latent.bfloat16())
    for tokens in (single, half, result.tokens):
        assert torch.equal(tokens[clear], exact[clear])
    assert result.latent.dtype == torch.float32
    assert all(loss.dtype == torch.float32 for loss in result.losses.values())


@every_family
def test_float64_is_kept(name: str) -> None:
    module = build(name).double().train()
    latent = draw(module).double().requires_grad_()
    result = seeded(module, latent)
    assert result.latent.dtype == torch.float64
    assert all(loss.dtype == torch.float64 for loss in result.losses.values())
    total(result).backward()
    assert latent.grad.isfinite().all()


@every_family
def test_saved_weights_make_the_same_quantizer(name: str, tmp_path) -> None:
    module, latent = build(name).train(), None
    for seed in range(3):
        latent = draw(module, seed=seed)
        seeded(module, latent)
    write_weights(tmp_path / 'weights', module.state_dict())
    again = build(name, seed=1)
    again.load_state_dict(read_file(tmp_path / 'weights.safetensors'))
    one, other = seeded(module.eval(), latent), seeded(again.eval(), latent)
    assert torch.equal(one.tokens, other.tokens)
    assert torch.equal(one.latent, other.latent)


@every_family
def test_a_resumed_run_goes_on_exactly(name: str) -> None:
    module, again = build(name).train(), build(name, seed=1).train()
    for seed in range(3):
        seeded(module, draw(module, seed=seed))
    again.load_state_dict(state(module))
    for seed in range(3, 6):
        one, other = (seeded(m, draw(module, seed=seed)) for m in (module, again))
        assert torch.equal(one.latent, other.latent)
        assert torch.equal(total(one), total(other))
    differences = [k for k, v in state(module).items() if not v.equal(state(again)[k])]
    assert differences == []


@every_family
def test_a_wrong_number_of_channels_is_an_error(name: str) -> None:
    module = build(name)
    for channels in {1, module.in_dim + 1} - {module.in_dim}:
        for use in (module, module.latent_to_tokens):
            with pytest.raises((ValueError, RuntimeError)):
                use(torch.zeros(1, channels, 2, 2))


ON_GPU = [  # noise is the device's own
    (name, training)
    for name, family in FAMILIES.items()
    for training, noisy in enumerate((family.always_noisy, family.noisy))
    if not noisy
]


@pytest.mark.gpu
@pytest.mark.parametrize(('name', 'training'), ON_GPU)
def test_a_gpu_gives_the_same(name: str, training: int) -> None:
    module = build(name)
    _, margin = in_float64(name, module, draw(module))
    there = copy.deepcopy(module).cuda()
    results = []
    for one, device in ((module, 'cpu'), (there, 'cuda')):
        latent = draw(module).to(device).requires_grad_()
        result = seeded(one.train(bool(training)), latent)
        total(result).backward()
        results.append((result, latent.grad))
    (cpu, cpu_grad), (gpu, gpu_grad) = results
    clear = margin > CLEAR
    assert torch.equal(cpu.tokens[clear], gpu.tokens.cpu()[clear])
    if clear.all():
        torch.testing.assert_close(gpu.latent.cpu(), cpu.latent)
        torch.testing.assert_close(gpu_grad.cpu(), cpu_grad)
        torch.testing.assert_close(total(gpu).cpu(), total(cpu))
        for key, value in there.state_dict().items():
            torch.testing.assert_close(value.cpu(), module.state_dict()[key])
