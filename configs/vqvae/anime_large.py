"""The VQ-VAE for faces wider and deeper, 2,048 codes of 384 channels; not yet trained.

auto_torchrun -m vq.train vqvae/anime_large configs/vqvae/anime_large.py
"""

_base_ = ['./anime.py']
_network = dict(depth=3, latent_dim=384)
model = dict(
    tokenizer=dict(
        encoder=dict(dims=(128, 256, 384, 384), **_network),
        quantizer=dict(codebook_size=2048, dim=384),
    ),
    decoder=dict(dims=(384, 384, 256, 128), **_network),
)
