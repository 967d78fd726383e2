"""The strided VQ-VAE, narrow, on photographs; minutes on two CPU cores.

auto_torchrun -m vq.train vqvae/anime_photos configs/vqvae/anime_photos.py
"""

_base_ = [
    '../_base_/models/vqvae_anime.py', '../_base_/models/vqvae_anime_photos.py',
    '../_base_/datasets/photos.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py', '../_base_/schedules/vqvae_anime.py',
    '../_base_/schedules/vqvae_anime_photos.py',
]  # fmt: skip
