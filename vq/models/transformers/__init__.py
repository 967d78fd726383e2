"""Causal transformers over tokens, and how tokens are drawn from them."""

from vq.models.transformers.gpt2 import GPT2
from vq.models.transformers.guidance import Sampling, uniforms
from vq.models.transformers.heads import TokenHead
from vq.models.transformers.llama import Llama
from vq.models.transformers.network import TokenTransformer, drop, unconditional
from vq.models.transformers.sampling import UNKNOWN, sample

__all__ = [
    'GPT2',
    'UNKNOWN',
    'Llama',
    'Sampling',
    'TokenHead',
    'TokenTransformer',
    'drop',
    'sample',
    'unconditional',
    'uniforms',
]
