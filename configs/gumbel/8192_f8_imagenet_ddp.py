"""Gumbel-VQ with 8,192 codes on ImageNet, 32x32 tokens; not yet trained.

auto_torchrun -m vq.train NAME configs/gumbel/8192_f8_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/gumbel.py',
    '../_base_/models/f8.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
model = dict(tokenizer=dict(quantizer=dict(kl_weight=1e-8)))
