"""Folders of transformers: its own classes read them, and draw the same tokens."""

import json
import math

import pytest
import torch
import transformers
from safetensors.torch import load_file

from tests.conversion import networks
from tests.conversion.networks import equal
from vq import config
from vq.checkpoints import only
from vq.conversion import (
    FAMILIES,
    ConversionError,
    configs,
    output,
    proposals,
    reading,
    structure,
)
from vq.conversion import export as exporting
from vq.models.transformers import Sampling, sample

FOLDERS = FAMILIES['transformers']
TINY = {
    'llama': networks.LLAMA,
    'gpt2': networks.GPT2,
    # 30 / 22 * 22 is less than 30.
    'odd gpt2': networks.proposal(
        type='GPT2', dim=22, mlp_ratio=math.nextafter(30 / 22, math.inf)
    ),
    'tied llama': networks.proposal(type='Llama', mlp_dim=40, tied_head=True),
    'tied gpt2': networks.proposal(type='GPT2', tied_head=True),
    'other base': networks.proposal(type='Llama', mlp_dim=40, base=100.0, eps=1e-3),
}
CLASSES = {'llama': transformers.LlamaForCausalLM, 'gpt2': transformers.GPT2LMHeadModel}


def export(name, folder):
    """Write a network as a folder; return it and its weights of the transformer."""
    model = networks.build(TINY[name])
    weights = only(model.state_dict(), FOLDERS.parts)
    form = exporting.Format('transformers')
    exporting.export(TINY[name], weights, form, out=folder)
    return model.transformer.eval(), weights


def opened(folder):
    """Return the folder as its own class reads it, strictly."""
    settings = json.loads((folder / 'config.json').read_text())
    kind = CLASSES[settings['model_type']]
    network, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize('name', TINY)
def test_the_same_logits_and_greedy_tokens(name, tmp_path):
    ours, _ = export(name, tmp_path)
    theirs = opened(tmp_path)
    category = torch.arange(ours.classes + 1)  # 'no class' too
    uniform = torch.zeros(len(category), ours.length, 1, dtype=torch.float64)
    condition = ours.condition(category)
    greedy = Sampling(temperature=0)
    rows = sample(ours, condition, uniform=uniform, sampling=greedy)
    ids = theirs.generate(category[:, None] + ours.codes)
    assert torch.equal(ids[:, 1:], rows[..., 0])
    logits = theirs(ids[:, :-1]).logits[..., : ours.codes]
    expected = ours(rows, condition)[0]
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    assert len(rows.unique()) > 2  # no network that says one thing


@pytest.mark.parametrize('name', TINY)
def test_there_and_back(name, tmp_path, monkeypatch):
    # No shipped network is as small, and to read all configs takes a second.
    monkeypatch.setattr(configs, 'choose', lambda *args, **kwargs: None)
    _, weights = export(name, tmp_path / 'folder')
    out = tmp_path / 'ours'
    done = output.convert(tmp_path / 'folder', FOLDERS, out=out)
    assert equal(load_file(out), weights)
    assert set(done.renamed.mapped.values()) == set(done.source.weights)
    assert not done.renamed.dropped
    written = config.load(done.config)
    config.check(written)
    model = written.trainer.model
    wanted = TINY[name]
    assert proposals.computes(model) == proposals.computes(wanted)


@torch.no_grad()
@pytest.mark.parametrize('null', [True, False])
@pytest.mark.parametrize('name', ['llama', 'gpt2'])
def test_a_folder_with_classes_first(name, null, tmp_path):
    sizes = dict(vocab_size=16 + 5 + null)
    torch.manual_seed(0)
    if name == 'llama':
        settings = transformers.LlamaConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=40,
            **sizes,
        )
    else:
        settings = transformers.GPT2Config(
            n_embd=16, n_layer=2, n_head=2, n_positions=9, n_inner=40, **sizes
        )
        settings.tie_word_embeddings = False
    theirs = CLASSES[name](settings).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path / 'folder')
    source = reading.read(tmp_path / 'folder', FOLDERS)
    options = FOLDERS.told(source.settings)
    options |= dict(classes=5, grid=(2, 3), layout='classes_first', null=null)
    model = FOLDERS.model_config(source.weights, **options)
    ours = networks.build(networks.proposal(**model['transformer']))
    renamed = FOLDERS.to_ours(source.weights, **options)
    ours.load_state_dict(renamed.weights, strict=False)
    rows = torch.randint(16, (5, 6, 1), generator=torch.Generator().manual_seed(0))
    category = torch.arange(5)
    logits = ours.transformer(rows, ours.transformer.condition(category))[0]
    ids = torch.cat([category[:, None], rows[:, :-1, 0] + 5 + null], dim=1)
    expected = theirs(ids).logits[..., 5 + null :]
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


def test_what_a_folder_says(tmp_path):
    ours, weights = export('gpt2', tmp_path)
    generation = json.loads((tmp_path / 'generation_config.json').read_text())
    assert generation['suppress_tokens'] == list(range(16, 22))
    assert generation['max_new_tokens'] == 6
    file = load_file(tmp_path / 'model.safetensors')
    codes = weights['transformer.head.linear.weight']
    assert torch.equal(file['lm_head.weight'][:16], codes)
    assert not file['lm_head.weight'][16:].any()
    assert len(file['transformer.wpe.weight']) == 7
    assert ours.length == 6


def test_what_nobody_tells_is_asked_for(tmp_path):
    export('llama', tmp_path)
    weights = load_file(tmp_path / 'model.safetensors')
    with pytest.raises(ConversionError, match=r'--options classes:1000 "grid:\(16, 16'):
        FOLDERS.to_ours(weights)
    told = dict(classes=5, grid=(2, 3), heads=2)
    with pytest.raises(ConversionError, match="layout is one of .* got 'mixed'"):
        FOLDERS.to_ours(weights, **told, layout='mixed')
    with pytest.raises(ConversionError, match='22 rows, which leaves no codes'):
        FOLDERS.to_ours(weights, **told | dict(classes=1000))
    del weights['model.layers.1.self_attn.k_proj.weight']
    with pytest.raises(ConversionError, match=r'missing: model.layers.1.self_attn.k_p'):
        FOLDERS.to_ours(weights, **told)


@pytest.mark.parametrize(
    ('settings', 'problem'),
    [
        (dict(model_type='qwen3'), "model_type 'qwen3'; known are llama, gpt2"),
        (dict(model_type='llama', hidden_act='gelu'), "hidden_act is 'gelu'"),
        (
            dict(model_type='llama', rope_parameters=dict(rope_type='yarn')),
            'positions are scaled',
        ),
        (dict(model_type='gpt2', layer_norm_epsilon=1e-6), 'layer_norm_epsilon is'),
    ],
)
def test_networks_that_ours_are_not(settings, problem):
    with pytest.raises(ConversionError, match=problem):
        FOLDERS.told(settings)


@pytest.mark.parametrize(
    ('model', 'reason'),
    [
        (networks.LLAMAGEN, "transformer.body: positions='grid'"),
        (networks.proposal(type='Llama', qk_norm=True), 'transformer.body: qk_norm'),
        (
            dict(networks.GPT2, factors=(4, 4)),
            'transformer: its tokens have 2 sub-tokens',
        ),
        (networks.DDCONFIGS['f2'], 'model: VQGAN has no transformer'),
    ],
)
def test_what_the_format_cannot_hold(model, reason):
    model = structure.build(structure.without_losses(model))
    found = FOLDERS.obstacles(model)
    assert any(entry.startswith(reason) for entry in found), found
