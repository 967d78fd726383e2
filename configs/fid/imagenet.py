"""ImageNet-1k, 256 px: 50,000 photographs, with --train 1,281,167.

auto_torchrun -m vq.fid imagenet
"""

_base_ = [
    '../_base_/datasets/imagenet.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
