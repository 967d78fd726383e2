"""Callbacks: what happens at the named moments of a run."""

from vq.callbacks.base import Callback
from vq.callbacks.checkpoint import CheckpointCallback
from vq.callbacks.ema import EMACallback
from vq.callbacks.git import GitCallback
from vq.callbacks.images import ImagesCallback, VisualCallback
from vq.callbacks.log import LogCallback
from vq.callbacks.supervisors import CodebookCallback, DiscriminatorCallback
from vq.callbacks.tokens import TokenCallback

__all__ = [
    'Callback',
    'CheckpointCallback',
    'CodebookCallback',
    'DiscriminatorCallback',
    'EMACallback',
    'GitCallback',
    'ImagesCallback',
    'LogCallback',
    'TokenCallback',
    'VisualCallback',
]
