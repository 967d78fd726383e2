"""Discriminators: images to logits."""

from vq.models.discriminators.patch import PatchDiscriminator
from vq.models.discriminators.stylegan import StyleGANDiscriminator
from vq.models.discriminators.stylegan2 import StyleGAN2Discriminator

__all__ = ['PatchDiscriminator', 'StyleGAN2Discriminator', 'StyleGANDiscriminator']
