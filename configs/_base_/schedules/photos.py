"""2,000 iterations of 64 crops of 32 px: two minutes on two CPU cores."""

_base_ = ['./demo.py']

_crop = [dict(type='RandomCrop', size=32), dict(type='RandomHorizontalFlip')]

iters = '{{$iters:2000}}'
train_dataset = dict(transforms=_crop)
train_dataloader = dict(batch_size=64)
optimizers = dict(generator=dict(betas=(0.9, 0.99)), discriminator=None)
schedulers = dict(generator=dict(T_max='{{$iters:2000}}'), discriminator=None)
train_callbacks = dict(
    discriminator=None, images=dict(interval=1000), checkpoint=dict(interval=1000)
)
