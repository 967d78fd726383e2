"""COCO of 2014, 256 px: 40,504 photographs, with --train 82,783.

auto_torchrun -m vq.fid coco_2014
"""

_base_ = [
    '../_base_/datasets/coco_2014.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
