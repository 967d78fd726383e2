"""A VQ-VAE for faces of anime, 256 px, 16x16 tokens of 1,024 codes; not yet trained.

auto_torchrun -m vq.train vqvae/anime configs/vqvae/anime.py
"""

_base_ = [
    '../_base_/models/vqvae_anime.py', '../_base_/datasets/anime.py',
    '../_base_/augment/anime.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py', '../_base_/schedules/vqvae_anime.py',
    '../_base_/aliases/vqvae_anime.py',
]  # fmt: skip
