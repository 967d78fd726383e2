"""Configs: files of fragments, assembled into a trainer's and a validator's config."""

from vq.config.checking import check
from vq.config.errors import ConfigError
from vq.config.loading import apply_overrides, load
from vq.config.overrides import parse_words
from vq.config.resolved import Config

__all__ = [
    'Config',
    'ConfigError',
    'apply_overrides',
    'check',
    'load',
    'parse_words',
]
