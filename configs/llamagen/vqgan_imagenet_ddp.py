"""LlamaGen's VQ-16, 16,384 codes, on ImageNet.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/llamagen.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/augment/strong.py',
    '../_base_/schedules/llamagen.py',
    '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]
