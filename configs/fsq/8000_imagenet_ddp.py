"""FSQ with 8,000 codes on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/fsq/8000_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/fsq.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
