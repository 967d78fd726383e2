"""A plain VQ-VAE with 1,024 codes on photographs.

auto_torchrun -m vq.train vqvae/1024_photos configs/vqvae/1024_photos.py
"""

_base_ = [
    '../_base_/models/vqvae_photos.py', '../_base_/datasets/photos.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime.py',
    '../_base_/schedules/photos.py',
]  # fmt: skip
