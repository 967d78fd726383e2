"""The files of a folder of transformers: settings, generation, weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

from vq.checkpoints.files import write_safetensors
from vq.conversion.rules import ConversionError
from vq.models.transformers import GPT2, Llama, TokenTransformer
from vq.models.transformers.gpt2 import NORM_EPS as GPT2_EPS

SETTINGS, GENERATION = 'config.json', 'generation_config.json'
WEIGHTS = 'model.safetensors'
OWN = 'vq'  # key of config.json under which we say what others do not ask for
LM_HEAD = 'lm_head.weight'
POSITIONS = 'transformer.wpe.weight'

# What our transformers do without being asked, by the settings of theirs.
_FIXED: dict[str, dict[str, Any]] = dict(
    llama=dict(hidden_act='silu', attention_bias=False, mlp_bias=False),
    gpt2=dict(
        activation_function='gelu_new',
        layer_norm_epsilon=GPT2_EPS,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
    ),
)


def told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the family that config.json tells.

    Raises:
        ConversionError: It is of a network that ours is not.
    """
    kind = settings.get('model_type')
    if kind not in _FIXED:
        raise ConversionError(
            f'{SETTINGS} is of model_type {kind!r}; known are {", ".join(_FIXED)}'
        )
    rope = settings.get('rope_parameters') or settings.get('rope_scaling') or {}
    wrong = [
        f'{key} is {settings[key]!r}, not {value!r}'
        for key, value in _FIXED[kind].items()
        if settings.get(key, value) != value
    ]
    if rope.get('rope_type', rope.get('type', 'default')) != 'default':
        wrong.append(f'rotary positions are scaled, {rope}')
    if wrong:
        raise ConversionError(f'{SETTINGS}: our {kind} is another: {"; ".join(wrong)}')
    own = settings.get(OWN, {})
    found: dict[str, Any] = dict(
        classes=own.get('classes'),
        grid=own.get('grid') and tuple(own['grid']),
        heads=settings.get('num_attention_heads', settings.get('n_head')),
        base=_number(rope.get('rope_theta', settings.get('rope_theta'))),
        eps=_number(settings.get('rms_norm_eps')),
    )
    return {key: value for key, value in found.items() if value is not None}


def write(
    folder: Path, weights: Mapping[str, Tensor], network: TokenTransformer
) -> list[Path]:
    """Write the folder that `from_pretrained` takes.

    The head has rows for classes too, which are zero: generation leaves them out. GPT-2
    gets one position more, zero and never looked at, since engines count the class and
    all tokens.

    Args:
        folder: Is made.
        weights: By their published names.
        network: Ours that they come from.

    Returns:
        The files written.
    """
    padded = dict(weights)
    if LM_HEAD in weights:
        rows = network.embedding.num_embeddings - len(weights[LM_HEAD])
        padded[LM_HEAD] = functional.pad(weights[LM_HEAD], (0, 0, 0, rows))
    if POSITIONS in weights:
        padded[POSITIONS] = functional.pad(weights[POSITIONS], (0, 0, 0, 1))
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in (SETTINGS, GENERATION, WEIGHTS)]
    dtype = str(next(iter(weights.values())).dtype).removeprefix('torch.')
    contents = (_settings(network, dtype), _generation(network))
    for file, content in zip(files, contents, strict=False):
        file.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    plain = {key: value.contiguous() for key, value in padded.items()}
    write_safetensors(files[-1], plain)
    return files


def _settings(network: TokenTransformer, dtype: str) -> dict[str, Any]:
    """Return config.json."""
    body = network.body
    mlp_dim = body.get_parameter('blocks.0.mlp.down.weight').shape[1]
    common: dict[str, Any] = dict(
        vocab_size=network.embedding.num_embeddings,
        tie_word_embeddings=network.head is None,
        # No id of ours begins, ends or fills up a sequence.
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        torch_dtype=dtype,
    )
    common[OWN] = dict(classes=network.classes, grid=list(body.grid))
    if isinstance(body, GPT2):
        return dict(
            architectures=['GPT2LMHeadModel'],
            model_type='gpt2',
            n_positions=network.length + 1,
            n_embd=body.dim,
            n_layer=len(body.blocks),
            n_head=body.heads,
            n_inner=mlp_dim,
            **dict.fromkeys(('resid_pdrop', 'embd_pdrop', 'attn_pdrop'), 0.0),
            **_FIXED['gpt2'],
            **common,
        )
    assert isinstance(body, Llama)
    return dict(
        architectures=['LlamaForCausalLM'],
        model_type='llama',
        max_position_embeddings=network.length + 1,
        hidden_size=body.dim,
        num_hidden_layers=len(body.blocks),
        num_attention_heads=body.heads,
        num_key_value_heads=body.heads,
        head_dim=body.dim // body.heads,
        intermediate_size=mlp_dim,
        rms_norm_eps=body.norm.eps,
        rope_theta=body.base,
        rope_parameters=dict(rope_type='default', rope_theta=body.base),
        **_FIXED['llama'],
        **common,
    )


def _generation(network: TokenTransformer) -> dict[str, Any]:
    """Return generation_config.json: all tokens of an image, and no class."""
    rows = range(network.codes, network.embedding.num_embeddings)
    return dict(
        do_sample=False,
        min_new_tokens=network.length,
        max_new_tokens=network.length,
        suppress_tokens=list(rows),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
