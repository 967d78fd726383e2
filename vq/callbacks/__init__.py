"""Callbacks: what happens at the named moments of a run."""

from vq.callbacks.base import Callback
from vq.callbacks.checkpoint import CheckpointCallback
from vq.callbacks.codebook import CodebookCallback
from vq.callbacks.early_stopping import EarlyStoppingCallback
from vq.callbacks.ema import EMACallback
from vq.callbacks.git import GitCallback
from vq.callbacks.images import ImagesCallback, VisualCallback
from vq.callbacks.kmeans import KMeansCallback
from vq.callbacks.log import LogCallback
from vq.callbacks.position_loss import PositionLossCallback
from vq.callbacks.revival import RevivalCallback
from vq.callbacks.schedule import AnnealCallback
from vq.callbacks.statistics import StatisticsCallback
from vq.callbacks.supervisors import DiscriminatorCallback
from vq.callbacks.tokens import TokenCallback
from vq.callbacks.validation import ValidationCallback

__all__ = [
    'AnnealCallback',
    'Callback',
    'CheckpointCallback',
    'CodebookCallback',
    'DiscriminatorCallback',
    'EMACallback',
    'EarlyStoppingCallback',
    'GitCallback',
    'ImagesCallback',
    'KMeansCallback',
    'LogCallback',
    'PositionLossCallback',
    'RevivalCallback',
    'StatisticsCallback',
    'TokenCallback',
    'ValidationCallback',
    'VisualCallback',
]
