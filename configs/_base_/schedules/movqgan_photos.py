"""1,000 iterations of 32 crops of 32 px, with averaged weights."""

_base_ = ['./demo.py']

_crop = [dict(type='RandomCrop', size=32), dict(type='RandomHorizontalFlip')]
_iters = '{{$iters:1000}}'

iters = _iters
strategy = dict(channels_last=True)
train_dataset = dict(transforms=_crop)
optimizers = dict(
    generator=dict(betas=(0.9, 0.99), params=['tokenizer', 'decoder']),
    discriminator=dict(lr=3e-4),
)
schedulers = dict(generator=dict(T_max=_iters), discriminator=dict(T_max=_iters))
train_callbacks = dict(
    ema=dict(type='EMACallback', decay=0.99),
    codebook=dict(interval=100, picture_every=5),
    discriminator=dict(interval=100),
    images=dict(interval=250),
    checkpoint=dict(interval=250),
)
