"""Encoders: images to latents."""

from vq.models.encoders.conv import ConvEncoder
from vq.models.encoders.strided import StridedEncoder
from vq.models.encoders.teacher import TeacherEncoder
from vq.models.encoders.vit import ViTEncoder

__all__ = ['ConvEncoder', 'StridedEncoder', 'TeacherEncoder', 'ViTEncoder']
