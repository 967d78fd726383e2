"""LlamaGen's quantizer at f8 with 128 codes of 16 channels on ImageNet: 32x32 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/vqgan_128x16_f8_imagenet_ddp.py
"""

_base_ = ['./vqgan_imagenet_ddp.py', '../_base_/models/f8.py']
model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=16), quantizer=dict(codebook_size=128, dim=16)
    ),
    pre_decode=dict(in_dim=16),
)
