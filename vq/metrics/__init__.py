"""Metrics: what a validator measures; each is exact over any number of ranks."""

from vq.metrics.base import Metric
from vq.metrics.codebook import CodebookMetric
from vq.metrics.fid import FIDMetric, SFIDMetric
from vq.metrics.image import L1, MSE, PSNR, SSIM
from vq.metrics.perceptual import LPIPSMetric

__all__ = [
    'L1',
    'MSE',
    'PSNR',
    'SSIM',
    'CodebookMetric',
    'FIDMetric',
    'LPIPSMetric',
    'Metric',
    'SFIDMetric',
]
