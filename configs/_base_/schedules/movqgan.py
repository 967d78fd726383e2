"""2,000,000 iterations of 48 images, Adam with constant rates; averaged weights."""

_base_ = ['./vqgan.py']

iters = '{{$iters:2_000_000}}'
train_dataloader = dict(batch_size=48, num_workers=12)
val_dataloader = dict(batch_size=48, num_workers=12)
optimizers = dict(
    generator=dict(lr=1e-4, params=['tokenizer', 'decoder']),
    discriminator=dict(lr=1e-4),
)
train_callbacks = dict(
    ema=dict(type='EMACallback', decay=0.9999),
    log=dict(interval=10),
    checkpoint=dict(interval=5000),
)
