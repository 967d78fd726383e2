"""VQGAN with 16,384 codes and the rotation trick on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/rotation/16384_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/vector.py',
    '../_base_/quantizers/rotation.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
model = dict(tokenizer=dict(quantizer=dict(codebook_size=16384)))
