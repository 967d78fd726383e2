"""Feature extractors: images to the features that FID and its kin compare."""

from vq.models.extractors.base import Extractor, Features
from vq.models.extractors.inception import InceptionExtractor
from vq.models.extractors.timm import TimmExtractor

__all__ = ['Extractor', 'Features', 'InceptionExtractor', 'TimmExtractor']
