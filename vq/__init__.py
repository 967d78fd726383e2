"""vq: train, compare and use image tokenizers and their proposal networks."""

__version__ = '0.1.0'
