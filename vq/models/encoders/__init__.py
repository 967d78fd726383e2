"""Encoders: images to latents."""

from vq.models.encoders.conv import ConvEncoder

__all__ = ['ConvEncoder']
