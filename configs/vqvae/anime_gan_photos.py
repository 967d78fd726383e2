"""The strided VQ-VAE in two phases, narrow, on photographs; minutes on two CPU cores.

The discriminator begins after 400 iterations, and counts fully 300 later.

auto_torchrun -m vq.train vqvae/anime_gan_photos configs/vqvae/anime_gan_photos.py
"""

_base_ = [
    './anime_photos.py', '../_base_/models/vqvae_anime_gan.py',
    '../_base_/schedules/vqvae_anime_gan.py',
]  # fmt: skip
model = dict(
    discriminator=dict(depth=2, width=16),
    adversarial_loss=dict(generator_weight=0.02),  # there is no LPIPS beside it
    discriminator_start='{{$gan_start:400}}',
    adversarial_ramp='{{$gan_ramp:300}}',
)
train_callbacks = dict(early_stopping=None, checkpoint=dict(keep_best=None))
