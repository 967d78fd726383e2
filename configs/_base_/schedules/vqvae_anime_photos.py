"""1,000 iterations of 64 crops of 32 px; it stands behind the anime's schedule."""

_crop = [dict(type='RandomCrop', size=32), dict(type='RandomHorizontalFlip')]
_warmup = '{{$warmup:50}}'

iters = '{{$iters:1000}}'
strategy = dict(autocast=None, channels_last=True)
train_dataset = dict(transforms=_crop)
train_dataloader = dict(batch_size=64, num_workers=1)
val_dataloader = dict(batch_size=32, num_workers=1)
optimizers = dict(generator=dict(lr=2e-3))
schedulers = dict(
    generator=dict(
        schedulers=[
            dict(type='LinearLR', start_factor=1e-2, total_iters=_warmup - 1),
            dict(
                type='CosineAnnealingLR',
                T_max=max(1, '{{$iters:1000}}' - _warmup),
                eta_min=1e-5,
            ),
        ],
        milestones=[_warmup],
    )
)
train_callbacks = dict(
    codebook=dict(interval=100, picture_every=5),
    discriminator=dict(interval=100),
    log=dict(interval=50),
    validation=dict(interval=250),
    images=dict(interval=250),
    checkpoint=dict(interval=250, keep_every=None),
)
