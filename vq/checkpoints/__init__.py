"""Checkpoints: folders, complete or absent, and weights, loaded with a report."""

from vq.checkpoints.files import CheckpointError, read_file, write_json
from vq.checkpoints.folders import (
    META,
    Checkpoint,
    clean,
    damage,
    iteration,
    link_latest,
    list_checkpoints,
    newest_good,
    remove,
    write,
)
from vq.checkpoints.weights import (
    LoadReport,
    check_fit,
    match,
    read_weights,
    state_hash,
)

__all__ = [
    'META',
    'Checkpoint',
    'CheckpointError',
    'LoadReport',
    'check_fit',
    'clean',
    'damage',
    'iteration',
    'link_latest',
    'list_checkpoints',
    'match',
    'newest_good',
    'read_file',
    'read_weights',
    'remove',
    'state_hash',
    'write',
    'write_json',
]
