"""Frozen networks of image understanding, whose features tokenizers are made from."""

from vq.models.teachers.base import Teacher

__all__ = ['Teacher']
