"""Runners and strategies."""

from vq.runners.base import Job, Runner
from vq.runners.detokenizer import Detokenizer
from vq.runners.extraction import Extraction
from vq.runners.generator import Generator
from vq.runners.strategies import DDPStrategy, FSDPStrategy
from vq.runners.tokenizer import Tokenizer
from vq.runners.trainer import Trainer
from vq.runners.validator import Validator

__all__ = [
    'DDPStrategy',
    'Detokenizer',
    'Extraction',
    'FSDPStrategy',
    'Generator',
    'Job',
    'Runner',
    'Tokenizer',
    'Trainer',
    'Validator',
]
