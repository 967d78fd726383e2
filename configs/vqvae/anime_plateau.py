"""The VQ-VAE for faces, its rate halved on plateaus of validation; not yet trained.

auto_torchrun -m vq.train vqvae/anime_plateau configs/vqvae/anime_plateau.py
"""

_base_ = ['./anime.py', '../_base_/schedules/plateau.py']
