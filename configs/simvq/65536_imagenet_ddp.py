"""SimVQ with 65,536 codes of 128 channels on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/simvq/65536_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/simvq.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
