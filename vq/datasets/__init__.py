"""Data sets, their transforms, samplers and loaders, and the token store."""

from vq.datasets.base import ImageDataset, MissingDataError, Unreadable, collate
from vq.datasets.decoding import UnreadableImageError, decode, read_image
from vq.datasets.folder import FolderDataset
from vq.datasets.limited import LimitedDataset
from vq.datasets.loader import train_loader, val_loader
from vq.datasets.sampler import BlockSampler, TrainSampler
from vq.datasets.synthetic import SyntheticDataset
from vq.datasets.token_store import TokenMeta
from vq.datasets.tokens import TokenDataset, TokenWriter
from vq.datasets.transforms import (
    CenterCrop,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    Transform,
)

__all__ = [
    'BlockSampler',
    'CenterCrop',
    'FolderDataset',
    'ImageDataset',
    'LimitedDataset',
    'MissingDataError',
    'RandomCrop',
    'RandomHorizontalFlip',
    'RandomResizedCrop',
    'Resize',
    'SyntheticDataset',
    'TokenDataset',
    'TokenMeta',
    'TokenWriter',
    'TrainSampler',
    'Transform',
    'Unreadable',
    'UnreadableImageError',
    'collate',
    'decode',
    'read_image',
    'train_loader',
    'val_loader',
]
