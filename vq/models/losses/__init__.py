"""Losses: modules that map tensors to scalars."""

from vq.models.losses.adaptive import AdaptiveWeight
from vq.models.losses.adversarial import HingeLoss
from vq.models.losses.reconstruction import L1Loss, MSELoss

__all__ = ['AdaptiveWeight', 'HingeLoss', 'L1Loss', 'MSELoss']
