"""A few minutes on two CPU cores: short, with a high rate that falls by a cosine."""

_cosine = dict(type='CosineAnnealingLR', T_max=1200, eta_min=6e-5)

iters = 1200
train_dataset = dict(transforms=[])
val_dataset = dict(transforms=[])
train_dataloader = dict(batch_size=32, num_workers=1)
val_dataloader = dict(batch_size=32, num_workers=1)
optimizers = dict(
    generator=dict(
        type='Adam',
        lr=3e-3,
        betas=(0.5, 0.9),
        params=['tokenizer', 'pre_decode', 'decoder'],
    ),
    discriminator=dict(
        type='Adam', lr=3e-3, betas=(0.5, 0.9), params=['discriminator']
    ),
)
schedulers = dict(generator=_cosine, discriminator=_cosine)
train_callbacks = dict(images=dict(interval=200), checkpoint=dict(interval=400))
