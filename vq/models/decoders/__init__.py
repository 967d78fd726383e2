"""Decoders: latents to images."""

from vq.models.decoders.conv import ConvDecoder
from vq.models.decoders.vit import ViTDecoder

__all__ = ['ConvDecoder', 'ViTDecoder']
