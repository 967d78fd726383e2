"""As vqvae_anime.py, and Adam with a constant rate for the discriminator.

The best is the best by LPIPS: a discriminator makes pixels differ more.
"""

_base_ = ['./vqvae_anime.py']

optimizers = dict(
    discriminator=dict(
        type='Adam', lr=2e-4, betas=(0.5, 0.99), clip_grad=1.0, params=['discriminator']
    )
)
train_callbacks = dict(
    early_stopping=dict(metric='val/lpips'),
    checkpoint=dict(keep_best=dict(metric='lpips', mode='min')),
)
