"""260,000 iterations of 96 images, AdamW with a rate that falls by a cosine."""

iters = '{{$iters:260_000}}'
train_dataloader = dict(batch_size=96, num_workers=5)
val_dataloader = dict(batch_size=96, num_workers=5)
optimizers = dict(
    transformer=dict(
        type='AdamW',
        lr=1e-4,
        betas=(0.9, 0.98),
        eps=1e-6,
        weight_decay=0.2,
        params=[
            # Decay is for matrices: of the rest it takes the scale.
            dict(regex=r'^transformer\..*(norm\d?\.weight|bias)$', weight_decay=0.0),
            'transformer',
        ],
    )
)
schedulers = dict(
    transformer=dict(type='CosineAnnealingLR', T_max='{{$iters:260_000}}')
)
