"""Images that one table names, 256 px: those that are for validation.

auto_torchrun -m vq.fid csv_split --name N --config-options csv::FILE
"""

_base_ = [
    '../_base_/datasets/csv_split.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
