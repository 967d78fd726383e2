"""RQ-VAE, 16,384 codes at each of four depths, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/rqvae/16384x4_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/residual.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
