"""The VQ-VAE for faces in two phases, the second with a discriminator; not yet trained.

auto_torchrun -m vq.train vqvae/anime_gan configs/vqvae/anime_gan.py
"""

_base_ = [
    './anime.py', '../_base_/models/vqvae_anime_gan.py',
    '../_base_/schedules/vqvae_anime_gan.py',
]  # fmt: skip
