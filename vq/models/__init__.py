"""Models: systems on top, their parts in the folders."""

from vq.models.cluster import Cluster
from vq.models.connectors import Connector, Identity
from vq.models.decoders import ConvDecoder
from vq.models.discriminators import (
    PatchDiscriminator,
    StyleGAN2Discriminator,
    StyleGANDiscriminator,
)
from vq.models.encoders import ConvEncoder
from vq.models.extractors import InceptionExtractor, TimmExtractor
from vq.models.losses import (
    AdaptiveWeight,
    HingeLoss,
    L1Loss,
    LeCAM,
    LPIPSLoss,
    MSELoss,
    NonSaturatingLoss,
    R1Penalty,
    SmoothL1Loss,
    VanillaLoss,
)
from vq.models.passthrough import PassThrough
from vq.models.quantizers import (
    BSQuantizer,
    CVQuantizer,
    EMAQuantizer,
    FSQuantizer,
    GumbelQuantizer,
    IBQuantizer,
    KMeansQuantizer,
    LFQuantizer,
    NormEMAQuantizer,
    ProductQuantizer,
    Quantizer,
    RemappedQuantizer,
    ResidualQuantizer,
    SimVQuantizer,
    VectorQuantizer,
)
from vq.models.reconstructor import Reconstructor
from vq.models.tokenizer import ImageTokenizer
from vq.models.vqgan import VQGAN

__all__ = [
    'VQGAN',
    'AdaptiveWeight',
    'BSQuantizer',
    'CVQuantizer',
    'Cluster',
    'Connector',
    'ConvDecoder',
    'ConvEncoder',
    'EMAQuantizer',
    'FSQuantizer',
    'GumbelQuantizer',
    'HingeLoss',
    'IBQuantizer',
    'Identity',
    'ImageTokenizer',
    'InceptionExtractor',
    'KMeansQuantizer',
    'L1Loss',
    'LFQuantizer',
    'LPIPSLoss',
    'LeCAM',
    'MSELoss',
    'NonSaturatingLoss',
    'NormEMAQuantizer',
    'PassThrough',
    'PatchDiscriminator',
    'ProductQuantizer',
    'Quantizer',
    'R1Penalty',
    'Reconstructor',
    'RemappedQuantizer',
    'ResidualQuantizer',
    'SimVQuantizer',
    'SmoothL1Loss',
    'StyleGAN2Discriminator',
    'StyleGANDiscriminator',
    'TimmExtractor',
    'VanillaLoss',
    'VectorQuantizer',
]
