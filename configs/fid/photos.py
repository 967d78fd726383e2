"""64 px crops of nine photographs: 264, with --train 2,499.

auto_torchrun -m vq.fid photos
"""

_base_ = [
    '../_base_/datasets/photos.py', '../_base_/strategies/ddp.py',
    '../_base_/fid_small.py',
]  # fmt: skip
