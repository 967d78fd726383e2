"""FSQ with 1,000 codes on photographs.

auto_torchrun -m vq.train fsq/1000_photos configs/fsq/1000_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/fsq.py']
model = dict(
    tokenizer=dict(
        post_encode=dict(hidden_dim=32, out_dim=4),
        quantizer=dict(levels=(8, 5, 5, 5)),
    ),
    pre_decode=dict(in_dim=4, hidden_dim=32),
)
