"""Losses: modules that map tensors to scalars."""

from vq.models.losses.adaptive import AdaptiveWeight
from vq.models.losses.adversarial import AdversarialLoss, HingeLoss, VanillaLoss
from vq.models.losses.perceptual import LPIPS, LPIPSLoss
from vq.models.losses.reconstruction import L1Loss, MSELoss

__all__ = [
    'LPIPS',
    'AdaptiveWeight',
    'AdversarialLoss',
    'HingeLoss',
    'L1Loss',
    'LPIPSLoss',
    'MSELoss',
    'VanillaLoss',
]
