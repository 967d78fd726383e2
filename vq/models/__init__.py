"""Models: systems on top, their parts in the folders."""

from vq.models.cluster import Cluster
from vq.models.connectors import Connector, Identity
from vq.models.decoders import (
    ConvDecoder,
    MoVQDecoder,
    UpsamplingDecoder,
    ViTDecoder,
)
from vq.models.discriminators import (
    PatchDiscriminator,
    StyleGAN2Discriminator,
    StyleGANDiscriminator,
)
from vq.models.encoders import (
    ConvEncoder,
    StridedEncoder,
    TeacherEncoder,
    ViTEncoder,
)
from vq.models.extractors import InceptionExtractor, TimmExtractor
from vq.models.losses import (
    AdaptiveWeight,
    CosineFeatureLoss,
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
from vq.models.probe import LinearProbe
from vq.models.proposal import ProposalNetwork
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
from vq.models.teachers import (
    CachedTeacher,
    OpenCLIPTeacher,
    PCATeacher,
    TimmTeacher,
    TorchvisionTeacher,
    TransformersTeacher,
)
from vq.models.tokenizer import ImageTokenizer
from vq.models.transformers import GPT2, Llama
from vq.models.vqgan import VQGAN
from vq.models.vqkd import VQKD

__all__ = [
    'GPT2',
    'VQGAN',
    'VQKD',
    'AdaptiveWeight',
    'BSQuantizer',
    'CVQuantizer',
    'CachedTeacher',
    'Cluster',
    'Connector',
    'ConvDecoder',
    'ConvEncoder',
    'CosineFeatureLoss',
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
    'LinearProbe',
    'Llama',
    'MSELoss',
    'MoVQDecoder',
    'NonSaturatingLoss',
    'NormEMAQuantizer',
    'OpenCLIPTeacher',
    'PCATeacher',
    'PassThrough',
    'PatchDiscriminator',
    'ProductQuantizer',
    'ProposalNetwork',
    'Quantizer',
    'R1Penalty',
    'Reconstructor',
    'RemappedQuantizer',
    'ResidualQuantizer',
    'SimVQuantizer',
    'SmoothL1Loss',
    'StridedEncoder',
    'StyleGAN2Discriminator',
    'StyleGANDiscriminator',
    'TeacherEncoder',
    'TimmExtractor',
    'TimmTeacher',
    'TorchvisionTeacher',
    'TransformersTeacher',
    'UpsamplingDecoder',
    'VanillaLoss',
    'VectorQuantizer',
    'ViTDecoder',
    'ViTEncoder',
]
