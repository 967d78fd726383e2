"""LFQ with 18 bits, 262,144 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/lfq/262144_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/lfq.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
