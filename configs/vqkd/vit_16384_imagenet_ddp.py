"""VQ-KD of a supervised ViT-B/16, 16,384 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/vqkd/vit_16384_imagenet_ddp.py
"""

_base_ = ['./vit_8192_imagenet_ddp.py']
model = dict(tokenizer=dict(quantizer=dict(codebook_size=16384)))
