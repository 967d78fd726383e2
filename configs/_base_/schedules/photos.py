"""1,000 iterations of 64 crops of 32 px: some three minutes on two CPU cores."""

_base_ = ['./demo.py']

_crop = [dict(type='RandomCrop', size=32), dict(type='RandomHorizontalFlip')]

iters = '{{$iters:1000}}'
strategy = dict(channels_last=True)
train_dataset = dict(transforms=_crop)
train_dataloader = dict(batch_size=64)
optimizers = dict(generator=dict(lr=1e-3, betas=(0.9, 0.99)), discriminator=None)
schedulers = dict(generator=dict(T_max='{{$iters:1000}}'), discriminator=None)
train_callbacks = dict(
    codebook=dict(interval=100, picture_every=5),
    discriminator=None,
    images=dict(interval=500),
    checkpoint=dict(interval=500),
)
