"""250,000 iterations of 512 images (100 epochs of ImageNet), AdamW, warm-up, cosine."""

_warmup = '{{$warmup:25_000}}'

iters = '{{$iters:250_000}}'
train_dataloader = dict(batch_size=512, num_workers=10)
val_dataloader = dict(batch_size=512, num_workers=10)
optimizers = dict(
    generator=dict(
        type='AdamW',
        lr=2e-4,
        betas=(0.9, 0.99),
        eps=1e-8,
        weight_decay=1e-4,
        params=[
            # Decay is for matrices: of the rest it takes the scale.
            dict(
                regex=r'(class_token|positions|bias|norm\d?\.weight)$', weight_decay=0.0
            ),
            dict(names=['tokenizer', 'decoder']),
        ],
    )
)
schedulers = dict(
    generator=dict(
        type='SequentialLR',
        schedulers=[
            dict(type='LinearLR', start_factor=1e-8, total_iters=_warmup - 1),
            dict(
                type='CosineAnnealingLR',
                T_max=max(1, '{{$iters:250_000}}' - _warmup),
                eta_min=1e-5,
            ),
        ],
        milestones=[_warmup],
    )
)
