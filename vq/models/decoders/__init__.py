"""Decoders: latents to images."""

from vq.models.decoders.conv import ConvDecoder

__all__ = ['ConvDecoder']
