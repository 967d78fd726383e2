"""100,000 iterations of 32 images, AdamW, warm-up, cosine; it stops when it overfits.

Every 2,500 iterations, ten passes over 8,000 images, it validates and saves.
"""

_warmup = '{{$warmup:2000}}'

iters = '{{$iters:100_000}}'
train_dataloader = dict(batch_size=32, num_workers=8)
val_dataloader = dict(batch_size=32, num_workers=8)
strategy = dict(autocast='auto')
val_strategy = dict(autocast=None)
optimizers = dict(
    generator=dict(
        type='AdamW',
        lr=2e-4,
        betas=(0.9, 0.99),
        weight_decay=0.0,
        clip_grad=1.0,
        params=[dict(regex=r'^(tokenizer|pre_decode|decoder)\.')],
    )
)
schedulers = dict(
    generator=dict(
        type='SequentialLR',
        schedulers=[
            dict(type='LinearLR', start_factor=1e-6 / 2e-4, total_iters=_warmup - 1),
            dict(
                type='CosineAnnealingLR',
                T_max=max(1, '{{$iters:100_000}}' - _warmup),
                eta_min=1e-5,
            ),
        ],
        milestones=[_warmup],
    )
)
train_callbacks = dict(
    validation=dict(type='ValidationCallback', interval=2500),
    early_stopping=dict(type='EarlyStoppingCallback', metric='val/l1', patience=10),
    log=dict(interval=100),
    checkpoint=dict(
        interval=2500,
        keep_last=2,
        keep_every=10_000,
        keep_best=dict(metric='l1', mode='min'),
    ),
)
