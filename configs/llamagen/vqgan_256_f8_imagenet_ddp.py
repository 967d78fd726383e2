"""LlamaGen's quantizer at f8 with 256 codes on ImageNet: 32x32 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_256_f8_imagenet_ddp.py
"""

_base_ = ['./vqgan_imagenet_ddp.py', '../_base_/models/f8.py']
model = dict(tokenizer=dict(quantizer=dict(codebook_size=256)))
