"""RQ-VAE, 32 codes at each of two depths, on photographs.

auto_torchrun -m vq.train rqvae/32x2_photos configs/rqvae/32x2_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/residual.py']
_code = dict(codebook_size=32, dim=32)
model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=32), quantizer=dict(depth=2, quantizer=_code)
    ),
    pre_decode=dict(in_dim=32),
)
train_callbacks = dict(revival=dict(max_age=1.0, interval=50))
