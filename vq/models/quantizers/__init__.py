"""Quantizers: latents to tokens and back."""

from vq.models.quantizers.base import Quantizer
from vq.models.quantizers.bsq import BSQuantizer
from vq.models.quantizers.cvq import CVQuantizer
from vq.models.quantizers.ema import EMAQuantizer
from vq.models.quantizers.fsq import FSQuantizer
from vq.models.quantizers.gumbel import GumbelQuantizer
from vq.models.quantizers.ibq import IBQuantizer
from vq.models.quantizers.kmeans_minibatch import KMeansQuantizer
from vq.models.quantizers.lfq import LFQuantizer
from vq.models.quantizers.product import ProductQuantizer
from vq.models.quantizers.remap import RemappedQuantizer
from vq.models.quantizers.residual import ResidualQuantizer
from vq.models.quantizers.simvq import SimVQuantizer
from vq.models.quantizers.vector import VectorQuantizer
from vq.models.quantizers.vqkd import NormEMAQuantizer

__all__ = [
    'BSQuantizer',
    'CVQuantizer',
    'EMAQuantizer',
    'FSQuantizer',
    'GumbelQuantizer',
    'IBQuantizer',
    'KMeansQuantizer',
    'LFQuantizer',
    'NormEMAQuantizer',
    'ProductQuantizer',
    'Quantizer',
    'RemappedQuantizer',
    'ResidualQuantizer',
    'SimVQuantizer',
    'VectorQuantizer',
]
