"""Sweeps: the same network sampled with several settings, and what is best."""

from vq.sweeps.points import Point
from vq.sweeps.report import report

__all__ = ['Point', 'report']
