"""Images that tables name, 256 px; options `train_csv`, `val_csv` and those of csv.py.

auto_torchrun -m vq.fid csv --name N --config-options val_csv::FILE train_csv::FILE
"""

_base_ = [
    '../_base_/datasets/csv.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
