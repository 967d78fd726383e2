"""LlamaGen's VQ-16 with 128 codes on ImageNet at 384 px: 24x24 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_128_384_imagenet_ddp.py
"""

_base_ = ['./vqgan_384_imagenet_ddp.py']
model = dict(tokenizer=dict(quantizer=dict(codebook_size=128)))
