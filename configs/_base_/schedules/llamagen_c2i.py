"""250,000 iterations of 256 images, LlamaGen's AdamW, warm-up, cosine, averages."""

_base_ = ['./ar.py']

_warmup = '{{$warmup:5_000}}'

iters = '{{$iters:250_000}}'
train_dataloader = dict(batch_size=256, num_workers=10)
val_dataloader = dict(batch_size=256, num_workers=10)
optimizers = dict(
    transformer=dict(betas=(0.9, 0.95), eps=1e-8, weight_decay=0.05, clip_grad=1.0)
)
schedulers = dict(
    transformer=dict(
        _delete_=True,
        type='SequentialLR',
        schedulers=[
            dict(type='LinearLR', start_factor=1e-8, total_iters=_warmup - 1),
            dict(
                type='CosineAnnealingLR', T_max=max(1, '{{$iters:250_000}}' - _warmup)
            ),
        ],
        milestones=[_warmup],
    )
)
train_callbacks = dict(ema=dict(type='EMACallback', decay=0.9999))
