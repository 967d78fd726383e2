"""A few minutes on two CPU cores: short, with a high rate that falls by a cosine."""

_base_ = ['./vqgan.py']

_cosine = dict(type='CosineAnnealingLR', T_max=1200, eta_min=6e-5)

iters = 1200
train_dataloader = dict(batch_size=32, num_workers=1)
val_dataloader = dict(batch_size=32, num_workers=1)
optimizers = dict(generator=dict(lr=3e-3), discriminator=dict(lr=3e-3))
schedulers = dict(generator=_cosine, discriminator=_cosine)
train_callbacks = dict(images=dict(interval=200), checkpoint=dict(interval=400))
