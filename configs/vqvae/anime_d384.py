"""The VQ-VAE for faces with latents of 384 channels around its codes; not yet trained.

auto_torchrun -m vq.train vqvae/anime_d384 configs/vqvae/anime_d384.py
"""

_base_ = ['./anime.py']
model = dict(
    tokenizer=dict(
        encoder=dict(latent_dim=384),
        post_encode=dict(type='Connector', in_dim=384, out_dim=256),
    ),
    pre_decode=dict(type='Connector', in_dim=256, out_dim=384),
    decoder=dict(latent_dim=384),
)
