"""The ways of sampling that benchmarks/sampling.py compares, one a process."""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vq.models.transformers import (
    CompiledSteps,
    Llama,
    Sampling,
    TokenHead,
    TokenTransformer,
    sample,
    uniforms,
)

CLASSES = 1000
SIZES: dict[str, dict[str, int]] = {
    'tiny': dict(dim=128, depth=4, heads=4, mlp_dim=352),
    'S': dict(dim=384, depth=6, heads=6, mlp_dim=1024),
    'B': dict(dim=768, depth=12, heads=12, mlp_dim=2048),
    'L': dict(dim=1024, depth=24, heads=16, mlp_dim=2816),
}
Run = Callable[[], Any]


def network(flags: argparse.Namespace) -> TokenTransformer:
    """Return our network with random weights."""
    torch.manual_seed(0)
    side = int(flags.tokens**0.5)
    body = Llama(grid=(side, side), **SIZES[flags.size])
    built = TokenTransformer(
        body=body,
        head=TokenHead(dim=body.dim, token_sizes=[flags.codes]),
        token_sizes=[flags.codes],
        classes=CLASSES,
    )
    torch.nn.init.normal_(built.head.linear.weight, std=0.02)
    return built.eval().to(flags.device, getattr(torch, flags.dtype))


def ours(flags: argparse.Namespace) -> Run:
    """Return our sampler."""
    built = network(flags)
    category = torch.arange(flags.batch, device=flags.device) % CLASSES
    uniform = uniforms(0, list(range(flags.batch)), flags.tokens)[..., None]
    sampling = Sampling(cfg=flags.cfg)
    options: dict[str, Any] = {}
    if flags.compile:
        options = dict(steps=CompiledSteps(built))

    def run() -> Tensor:
        return sample(
            built,
            built.condition(category),
            uniform=uniform.to(flags.device),
            sampling=sampling,
            **options,
        )

    return run


def llama(flags: argparse.Namespace) -> Any:
    """Return transformers' network with our weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    built = network(flags)
    size, codes = SIZES[flags.size], flags.codes
    config = LlamaConfig(
        vocab_size=codes + CLASSES + 1,
        hidden_size=size['dim'],
        intermediate_size=size['mlp_dim'],
        num_hidden_layers=size['depth'],
        num_attention_heads=size['heads'],
        num_key_value_heads=size['heads'],
        max_position_embeddings=flags.tokens + 1,
        rms_norm_eps=1e-5,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    with torch.device(flags.device):
        peer = LlamaForCausalLM(config).eval().to(getattr(torch, flags.dtype))
    model = peer.model
    with torch.no_grad():
        model.embed_tokens.weight.copy_(built.embedding.weight)
        peer.lm_head.weight.zero_()
        peer.lm_head.weight[:codes] = built.head.linear.weight
        model.norm.weight.copy_(built.body.norm.weight)
        for theirs, block in zip(model.layers, built.body.blocks, strict=True):
            query, key, value = block.attention.qkv.weight.chunk(3)
            gate, up = block.mlp.gate_up.weight.chunk(2)
            pairs = {
                theirs.self_attn.q_proj: query,
                theirs.self_attn.k_proj: key,
                theirs.self_attn.v_proj: value,
                theirs.self_attn.o_proj: block.attention.out.weight,
                theirs.mlp.gate_proj: gate,
                theirs.mlp.up_proj: up,
                theirs.mlp.down_proj: block.mlp.down.weight,
            }
            for module, weight in pairs.items():
                module.weight.copy_(weight)
    return peer


def transformers_generate(flags: argparse.Namespace, **options: Any) -> Run:
    """Return transformers' generate, which guides in a second pass."""
    peer = llama(flags)
    classes = flags.codes + torch.arange(flags.batch, device=flags.device)[:, None]
    null = torch.full_like(classes, flags.codes + CLASSES)
    if flags.cfg != 1:
        options |= dict(guidance_scale=flags.cfg, negative_prompt_ids=null)

    def run() -> Tensor:
        drawn: Tensor = peer.generate(
            classes,
            max_new_tokens=flags.tokens,
            min_new_tokens=flags.tokens,
            do_sample=True,
            top_k=0,
            **options,
        )
        return drawn

    return run


def one_batch(flags: argparse.Namespace) -> Run:
    """Return transformers' generate on both halves, mixed by a processor of ours."""
    peer = llama(flags)
    classes = flags.codes + torch.arange(flags.batch, device=flags.device)[:, None]
    null = torch.full_like(classes, flags.codes + CLASSES)

    def mix(tokens: Tensor, scores: Tensor) -> Tensor:
        conditional, none = scores.chunk(2)
        mixed = none + (conditional - none) * flags.cfg
        drawn = mixed.softmax(-1).multinomial(1).repeat(2, 1)  # the same for both
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)

    halves = torch.cat([classes, null]) if flags.cfg != 1 else classes
    options: dict[str, Any] = dict(do_sample=True, top_k=0)
    if flags.cfg != 1:
        options = dict(do_sample=False, logits_processor=[mix])

    def run() -> Tensor:
        drawn: Tensor = peer.generate(
            halves, max_new_tokens=flags.tokens, min_new_tokens=flags.tokens, **options
        )
        return drawn

    return run


def llamagens(flags: argparse.Namespace) -> Run:
    """Return LlamaGen's own generate, on a network of its own of the same size."""
    sys.path.insert(0, flags.llamagen)
    from autoregressive.models.generate import generate
    from autoregressive.models.gpt import ModelArgs, Transformer

    size = SIZES[flags.size]
    arguments = ModelArgs(
        dim=size['dim'],
        n_layer=size['depth'],
        n_head=size['heads'],
        vocab_size=flags.codes,
        block_size=flags.tokens,
        num_classes=CLASSES,
        cls_token_num=1,
    )
    peer = Transformer(arguments).eval()
    peer = peer.to(flags.device, getattr(torch, flags.dtype))
    labels = torch.arange(flags.batch, device=flags.device)
    return lambda: generate(
        peer, labels, flags.tokens, cfg_scale=flags.cfg, temperature=1.0, top_k=0
    )


WAYS: dict[str, Callable[[argparse.Namespace], Run]] = {
    'ours': ours,
    'transformers, dynamic cache': lambda flags: transformers_generate(
        flags, cache_implementation='dynamic'
    ),
    'transformers, static cache': lambda flags: transformers_generate(
        flags, cache_implementation='static'
    ),
    'transformers, both halves in one batch': one_batch,
    "LlamaGen's own code": llamagens,
}


def bandwidth() -> float:
    """Return the bytes a second that a copy on the GPU moves."""
    block = torch.empty(2**28, device='cuda')
    for _ in range(3):
        other = block.clone()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        other.copy_(block)
    torch.cuda.synchronize()
    return 10 * 2 * block.nbytes / (time.perf_counter() - started)


def bytes_read(flags: argparse.Namespace) -> float:
    """Return the bytes that drawing all tokens must read, at least."""
    built = network(flags)
    parts = (built.body, built.head)
    weights = sum(p.nbytes for part in parts for p in part.parameters())
    size, rows = SIZES[flags.size], flags.batch * (1 if flags.cfg == 1 else 2)
    width = built.embedding.weight.element_size()
    seen = 2 * size['depth'] * size['dim'] * width * rows * flags.tokens / 2
    return flags.tokens * (weights + seen)


def main() -> None:
    """Run one way, and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('way', choices=WAYS)
    parser.add_argument('batch', type=int)
    for name in ('size', 'device', 'dtype', 'llamagen'):
        parser.add_argument(f'--{name}')
    for name in ('tokens', 'codes', 'threads'):
        parser.add_argument(f'--{name}', type=int)
    parser.add_argument('--cfg', type=float)
    parser.add_argument('--compile', action='store_true')
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    cuda = flags.device == 'cuda'
    with torch.no_grad():
        run = WAYS[flags.way](flags)
        if cuda:
            run()  # kernels are chosen, and code is compiled
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    found = dict(seconds=seconds, tokens=float(flags.batch * flags.tokens))
    if cuda:
        found['peak'] = torch.cuda.max_memory_allocated()
        if flags.way == 'ours':
            least = bytes_read(flags) / bandwidth()
            found['bandwidth_share'] = least / seconds
    else:
        found['peak'] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(found))


if __name__ == '__main__':
    main()
