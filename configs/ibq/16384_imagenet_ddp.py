"""IBQ with 16,384 codes of 256 channels on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/ibq/16384_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/ibq.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
