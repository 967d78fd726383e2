"""Gumbel-VQ with 1,024 codes on photographs.

auto_torchrun -m vq.train gumbel/1024_photos configs/gumbel/1024_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/gumbel.py']
model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=32), quantizer=dict(codebook_size=1024, dim=32)
    ),
    pre_decode=dict(in_dim=32),
)
train_callbacks = dict(temperature=dict(iters='{{$iters:1000}}'))
