"""A few minutes on two CPU cores: 3,000 iterations of 32 images, at a high rate."""

_base_ = ['./llamagen_c2i.py']

_warmup = '{{$warmup:50}}'

iters = '{{$iters:3000}}'
train_dataloader = dict(batch_size=32, num_workers=1)
val_dataloader = dict(batch_size=32, num_workers=1)
optimizers = dict(transformer=dict(lr=5e-3))
schedulers = dict(
    transformer=dict(
        schedulers=[
            dict(type='LinearLR', start_factor=1 / _warmup, total_iters=_warmup - 1),
            dict(type='CosineAnnealingLR', T_max=max(1, '{{$iters:3000}}' - _warmup)),
        ],
        milestones=[_warmup],
    )
)
train_callbacks = dict(
    ema=None, images=dict(interval=1000), checkpoint=dict(interval=1000)
)
