"""Metrics: what a validator measures; each is exact over any number of ranks."""

from vq.metrics.accuracy import AccuracyMetric, CrossEntropyMetric
from vq.metrics.base import Metric
from vq.metrics.codebook import CodebookMetric
from vq.metrics.cosine import CosineLossMetric
from vq.metrics.fid import FIDMetric, SFIDMetric
from vq.metrics.image import L1, MSE, PSNR
from vq.metrics.inception_score import InceptionScoreMetric
from vq.metrics.inertia import InertiaMetric
from vq.metrics.kid import KIDMetric
from vq.metrics.neighbours import DensityCoverageMetric, PrecisionRecallMetric
from vq.metrics.part import PartMetric
from vq.metrics.perceptual import LPIPSMetric
from vq.metrics.quantizer import QuantizerLossMetric
from vq.metrics.similarity import MSSSIM, SSIM
from vq.metrics.tokens import TokenMetric

__all__ = [
    'L1',
    'MSE',
    'MSSSIM',
    'PSNR',
    'SSIM',
    'AccuracyMetric',
    'CodebookMetric',
    'CosineLossMetric',
    'CrossEntropyMetric',
    'DensityCoverageMetric',
    'FIDMetric',
    'InceptionScoreMetric',
    'InertiaMetric',
    'KIDMetric',
    'LPIPSMetric',
    'Metric',
    'PartMetric',
    'PrecisionRecallMetric',
    'QuantizerLossMetric',
    'SFIDMetric',
    'TokenMetric',
]
