"""Runs side by side: metrics with their protocols, cost, config differences."""

from vq.comparison.records import Measurement, Run, read
from vq.comparison.rendering import FORMATS
from vq.comparison.table import Row, Table, tabulate

__all__ = ['FORMATS', 'Measurement', 'Row', 'Run', 'Table', 'read', 'tabulate']
