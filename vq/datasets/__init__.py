"""Data sets, their transforms, samplers and loaders, and the token store."""

from vq.datasets.base import ImageDataset, MissingDataError, Unreadable, collate
from vq.datasets.clips import ClipDataset
from vq.datasets.coco import COCODataset
from vq.datasets.concat import ConcatDataset
from vq.datasets.csv import CSVDataset
from vq.datasets.decoding import UnreadableImageError, decode, read_image
from vq.datasets.faces import CelebAHQDataset, FFHQDataset
from vq.datasets.folder import FolderDataset
from vq.datasets.imagenet import ImageNetDataset
from vq.datasets.jitter import ColorJitter
from vq.datasets.laion import LAIONAestheticsDataset
from vq.datasets.limited import LimitedDataset
from vq.datasets.llamagen_codes import LlamaGenCodesDataset
from vq.datasets.loader import train_loader, val_loader
from vq.datasets.npz import NpzDataset
from vq.datasets.random_split import RandomSplitDataset
from vq.datasets.sa_med2d import SAMed2DDataset
from vq.datasets.sampler import BlockSampler, TrainSampler
from vq.datasets.satin import SATINDataset
from vq.datasets.synthetic import SyntheticDataset
from vq.datasets.token_origin import TokenOrigin
from vq.datasets.token_samples import TokenSampleDataset
from vq.datasets.token_store import TokenMeta
from vq.datasets.tokens import TokenDataset, TokenWriter
from vq.datasets.transforms import (
    CenterCrop,
    PadToSquare,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    TenCrop,
    Transform,
)
from vq.datasets.undecoded import UndecodedDataset

__all__ = [
    'BlockSampler',
    'COCODataset',
    'CSVDataset',
    'CelebAHQDataset',
    'CenterCrop',
    'ClipDataset',
    'ColorJitter',
    'ConcatDataset',
    'FFHQDataset',
    'FolderDataset',
    'ImageDataset',
    'ImageNetDataset',
    'LAIONAestheticsDataset',
    'LimitedDataset',
    'LlamaGenCodesDataset',
    'MissingDataError',
    'NpzDataset',
    'PadToSquare',
    'RandomCrop',
    'RandomHorizontalFlip',
    'RandomResizedCrop',
    'RandomSplitDataset',
    'Resize',
    'SAMed2DDataset',
    'SATINDataset',
    'SyntheticDataset',
    'TenCrop',
    'TokenDataset',
    'TokenMeta',
    'TokenOrigin',
    'TokenSampleDataset',
    'TokenWriter',
    'TrainSampler',
    'Transform',
    'UndecodedDataset',
    'Unreadable',
    'UnreadableImageError',
    'collate',
    'decode',
    'read_image',
    'train_loader',
    'val_loader',
]
