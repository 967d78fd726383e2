"""LlamaGen's VQ-16 with StyleGAN2's discriminator on ImageNet.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_stylegan2_imagenet_ddp.py
"""

_base_ = ['./vqgan_imagenet_ddp.py', '../_base_/models/stylegan2.py']
