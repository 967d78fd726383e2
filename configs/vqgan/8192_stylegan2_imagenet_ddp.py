"""VQGAN with 8,192 codes and StyleGAN2's discriminator on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/vqgan/8192_stylegan2_imagenet_ddp.py
"""

_base_ = ['./8192_imagenet_ddp.py', '../_base_/models/stylegan2.py']
