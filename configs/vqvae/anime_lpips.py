"""The VQ-VAE for faces, stopped and kept by LPIPS instead of L1; not yet trained.

auto_torchrun -m vq.train vqvae/anime_lpips configs/vqvae/anime_lpips.py
"""

_base_ = ['./anime.py']
train_callbacks = dict(
    early_stopping=dict(metric='val/lpips'),
    checkpoint=dict(keep_best=dict(metric='lpips', mode='min')),
)
