"""Frozen networks of image understanding, whose features tokenizers are made from."""

from vq.models.teachers.base import Teacher
from vq.models.teachers.cached import CachedTeacher
from vq.models.teachers.open_clip import OpenCLIPTeacher
from vq.models.teachers.pca import PCATeacher, fit_pca
from vq.models.teachers.timm import TimmTeacher
from vq.models.teachers.torchvision import TorchvisionTeacher
from vq.models.teachers.transformers import TransformersTeacher

__all__ = [
    'CachedTeacher',
    'OpenCLIPTeacher',
    'PCATeacher',
    'Teacher',
    'TimmTeacher',
    'TorchvisionTeacher',
    'TransformersTeacher',
    'fit_pca',
]
