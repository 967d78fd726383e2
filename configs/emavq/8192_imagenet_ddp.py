"""EMA-VQ with 8,192 codes of 32 channels on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/emavq/8192_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/ema.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
