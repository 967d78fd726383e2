"""Handwritten digits, 32 px: 176, with --train 1,621.

auto_torchrun -m vq.fid digits
"""

_base_ = [
    '../_base_/datasets/digits.py', '../_base_/strategies/ddp.py',
    '../_base_/fid_small.py',
]  # fmt: skip
