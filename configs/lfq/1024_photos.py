"""LFQ with 10 bits, 1,024 codes, on photographs.

auto_torchrun -m vq.train lfq/1024_photos configs/lfq/1024_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/lfq.py']
model = dict(
    tokenizer=dict(post_encode=dict(out_dim=10), quantizer=dict(dim=10)),
    pre_decode=dict(in_dim=10),
)
