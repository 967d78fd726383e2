"""Decoders: latents to images."""

from vq.models.decoders.conv import ConvDecoder
from vq.models.decoders.movq import MoVQDecoder
from vq.models.decoders.upsampling import UpsamplingDecoder
from vq.models.decoders.vit import ViTDecoder

__all__ = ['ConvDecoder', 'MoVQDecoder', 'UpsamplingDecoder', 'ViTDecoder']
