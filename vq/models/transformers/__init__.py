"""Causal transformers over tokens, and how tokens are drawn from them."""

from vq.models.transformers.gpt2 import GPT2
from vq.models.transformers.guidance import Sampling, uniforms
from vq.models.transformers.heads import FactorisedHead, TokenHead
from vq.models.transformers.llama import Llama
from vq.models.transformers.network import TokenTransformer, drop, unconditional
from vq.models.transformers.sampling import UNKNOWN, sample
from vq.models.transformers.steps import CompiledSteps, Steps

__all__ = [
    'GPT2',
    'UNKNOWN',
    'CompiledSteps',
    'FactorisedHead',
    'Llama',
    'Sampling',
    'Steps',
    'TokenHead',
    'TokenTransformer',
    'drop',
    'sample',
    'unconditional',
    'uniforms',
]
