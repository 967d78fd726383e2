"""SA-Med2D-20M, slices of medical scans, 256 px.

auto_torchrun -m vq.fid sa_med2d_20m
"""

_base_ = [
    '../_base_/datasets/sa_med2d_20m.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
