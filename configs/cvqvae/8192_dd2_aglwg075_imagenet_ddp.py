"""CVQ-VAE with 8,192 codes, nearest by angle, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cvqvae/8192_dd2_aglwg075_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py', '../_base_/quantizers/cvq.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]  # fmt: skip
model = dict(discriminator=dict(depth=2), adversarial_weight=dict(gain=0.75))
