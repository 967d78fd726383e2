"""Product quantization, two groups of 32 codes, on photographs.

auto_torchrun -m vq.train product/32x2_photos configs/product/32x2_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/product.py']
_code = dict(codebook_size=32, dim=4)
model = dict(
    tokenizer=dict(post_encode=dict(out_dim=8), quantizer=dict(quantizer=_code)),
    pre_decode=dict(in_dim=8),
)
