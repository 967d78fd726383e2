"""Folders of diffusers' VQModel: the same tensors, and the same pictures."""

import json

import diffusers
import pytest
import torch
from safetensors.torch import load_file

from tests.conversion import networks
from tests.conversion.networks import equal
from tests.golden_cases import cases
from tests.models import golden
from tests.models.golden import Case
from vq.conversion import FAMILIES, export, reading, structure

DIFFUSERS = FAMILIES['diffusers']
TINY = networks.DDCONFIGS | {
    'groups': networks.autoencoder(width=8, groups=4),
    'attention in all': networks.autoencoder(attention=(0, 1)),
    'attention in the encoder': networks.autoencoder(decoder=dict(attention=())),
}
SPHERE = networks.autoencoder(quantizer=dict(normalize=True))


def written(config, folder):
    """Write a network as a folder of diffusers, and return it and what was changed."""
    model = networks.build(config)
    weights, note = DIFFUSERS.for_export(model.state_dict(), model)
    renamed = DIFFUSERS.from_ours(weights)
    DIFFUSERS.write(folder, renamed.weights, model, image_size=32)
    return model, note


@pytest.mark.parametrize('name', TINY)
def test_there_and_back(name, tmp_path):
    model, note = written(TINY[name], tmp_path)
    source = reading.read(tmp_path, DIFFUSERS)
    ours = DIFFUSERS.to_ours(source.weights).weights
    weights = {
        key: value
        for key, value in model.state_dict().items()
        if not key.startswith('discriminator.')
    }
    assert equal(ours, weights)
    assert not note and not DIFFUSERS.obstacles(model)
    config = DIFFUSERS.model_config(source.weights, settings=source.settings)
    assert config['tokenizer']['encoder']['norm_groups'] == source.settings[
        'norm_num_groups'
    ] and equal(DIFFUSERS.from_ours(ours).weights, source.weights)


@pytest.mark.parametrize('name', [*TINY, 'sphere'])
def test_diffusers_reconstructs_the_same(name, tmp_path):
    model, _ = written((TINY | {'sphere': SPHERE})[name], tmp_path)
    theirs, report = diffusers.VQModel.from_pretrained(
        tmp_path, output_loading_info=True, low_cpu_mem_usage=False
    )
    theirs.eval()
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        latents = theirs.encode(image).latents
        tokens = theirs.quantize(latents)[2][2]
        reconstruction = theirs.decode(latents).sample
        ours = model(image)
    assert torch.equal(tokens.reshape(-1), ours.quantized.tokens.reshape(-1))
    # Attention over all 256 pixels: the two sum in other orders. float64 has the proof.
    tolerance = 5e-5 if name == 'f1' else 1e-5
    torch.testing.assert_close(reconstruction, ours.image, rtol=0, atol=tolerance)
    assert not any(report.values())
    image, theirs, model = image.double(), theirs.double(), model.double()
    with torch.no_grad():
        exact = theirs.decode(theirs.encode(image).latents).sample
    # Codes on the sphere are normalised in float32 when they are written.
    tolerance = 1e-6 if name == 'sphere' else 1e-12
    torch.testing.assert_close(exact, model(image).image, rtol=0, atol=tolerance)


@cases('01a_')
def test_published_vqgan_through_us_to_diffusers(path, tmp_path):
    check_golden(Case(path), FAMILIES['taming'], tmp_path)


@cases('07a_')
def test_published_llamagen_through_us_to_diffusers(path, tmp_path):
    check_golden(Case(path), FAMILIES['llamagen'], tmp_path)


def check_golden(case, family, folder):
    """Convert a golden network in and out; diffusers gives the published numbers."""
    config = structure.without_losses(family.model_config(case.weights))
    weights = family.to_ours(case.weights).weights
    form = export.Format('diffusers')
    export.export(config, weights, form, out=folder / 'x', image_size=32)
    theirs = diffusers.VQModel.from_pretrained(folder / 'x', low_cpu_mem_usage=False)
    with torch.no_grad():
        latents = theirs.eval().encode(case.inputs['x']).latents
        tokens = theirs.quantize(latents)[2][2]
        decoded = theirs.decode(latents).sample
    assert torch.equal(tokens.reshape(-1), case.outputs['indices'])
    golden.close_values(latents, case.outputs['prequant'])
    golden.close_values(decoded, case.outputs['dec'])


def test_codes_on_the_sphere_are_written_with_length_1(tmp_path):
    model, note = written(SPHERE, tmp_path)
    codes = load_file(tmp_path / 'diffusion_pytorch_model.safetensors')
    rows = codes['quantize.embedding.weight']
    own = model.tokenizer.quantizer.codebook
    torch.testing.assert_close(rows, own / own.norm(dim=1, keepdim=True))
    assert 'length 1' in note


def test_the_first_names_of_attention(tmp_path):
    model, _ = written(TINY['f2'], tmp_path)
    weights = reading.read(tmp_path, DIFFUSERS).weights
    names = {'to_q': 'query', 'to_k': 'key', 'to_v': 'value', 'to_out.0': 'proj_attn'}
    for new, old in names.items():
        weights = {k.replace(f'.{new}.', f'.{old}.'): v for k, v in weights.items()}
    assert equal(DIFFUSERS.to_ours(weights).weights, model.state_dict())
    assert any('.proj_attn.' in key for key in weights)


def test_settings(tmp_path):
    written(TINY['f4 deep'], tmp_path)
    settings = json.loads((tmp_path / 'config.json').read_text())
    assert settings['block_out_channels'] == [32, 32, 64]
    assert settings['down_block_types'][-1].startswith('Attn')
    assert settings['up_block_types'][0].startswith('Attn')
    assert (settings['layers_per_block'], settings['sample_size']) == (2, 32)


@pytest.mark.parametrize(
    ('changes', 'part'),
    [
        (dict(mults=(2, 1)), 'tokenizer.encoder: width_mults begin with 2'),
        (dict(refine=False), 'tokenizer.encoder: refine=False'),
        (dict(decoder=dict(norm_groups=16)), 'decoder: norm_groups=16, not 32'),
        (dict(quantizer=dict(type='GumbelQuantizer')), 'tokenizer.quantizer: Gumbel'),
    ],
)
def test_what_the_format_cannot_hold(changes, part):
    found = DIFFUSERS.obstacles(structure.build(networks.autoencoder(**changes)))
    assert any(reason.startswith(part) for reason in found), found
