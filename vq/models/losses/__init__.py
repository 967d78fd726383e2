"""Losses: modules that map tensors to scalars."""

from vq.models.losses.adaptive import AdaptiveWeight, Balance
from vq.models.losses.adversarial import (
    AdversarialLoss,
    HingeLoss,
    NonSaturatingLoss,
    VanillaLoss,
)
from vq.models.losses.features import CosineFeatureLoss
from vq.models.losses.perceptual import LPIPS, LPIPSLoss
from vq.models.losses.reconstruction import L1Loss, MSELoss, SmoothL1Loss
from vq.models.losses.regularizers import LeCAM, R1Penalty, Regularizer

__all__ = [
    'LPIPS',
    'AdaptiveWeight',
    'AdversarialLoss',
    'Balance',
    'CosineFeatureLoss',
    'HingeLoss',
    'L1Loss',
    'LPIPSLoss',
    'LeCAM',
    'MSELoss',
    'NonSaturatingLoss',
    'R1Penalty',
    'Regularizer',
    'SmoothL1Loss',
    'VanillaLoss',
]
