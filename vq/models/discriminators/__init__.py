"""Discriminators: images to logits."""

from vq.models.discriminators.patch import PatchDiscriminator

__all__ = ['PatchDiscriminator']
