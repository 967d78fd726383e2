"""VQGAN with 1,024 codes on ImageNet."""

_base_ = [
    '../_base_/models/vqgan.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py',
    '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]
model = dict(tokenizer=dict(quantizer=dict(codebook_size=1024)))
