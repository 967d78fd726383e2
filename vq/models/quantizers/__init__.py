"""Quantizers: latents to tokens and back."""

from vq.models.quantizers.base import Quantizer
from vq.models.quantizers.gumbel import GumbelQuantizer
from vq.models.quantizers.vector import VectorQuantizer

__all__ = ['GumbelQuantizer', 'Quantizer', 'VectorQuantizer']
