"""LlamaGen's VQ-16 on ImageNet at 384 px: 24x24 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_384_imagenet_ddp.py
"""

_base_ = ['./vqgan_imagenet_ddp.py', '../_base_/augment/strong_384.py']
val_metrics = dict(fid=dict(reference='imagenet_384_val'))
