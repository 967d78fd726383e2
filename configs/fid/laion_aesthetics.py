"""LAION-Aesthetics, 256 px; broken pictures are left out in both splits.

auto_torchrun -m vq.fid laion_aesthetics
"""

_base_ = [
    '../_base_/datasets/laion_aesthetics.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
train_dataset = dict(on_error='skip')
