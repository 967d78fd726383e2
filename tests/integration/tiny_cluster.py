"""A Cluster that trains in a second, on synthetic 16 px images; needs a stand-in."""

model = dict(
    type='Cluster',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='PatchEncoder', out_dim=6),
        post_encode=dict(type='Identity'),
        quantizer=dict(
            type='CVQuantizer', codebook_size=16, dim=6, commitment_weight=0.0
        ),
    ),
)
train_dataset = dict(
    type='SyntheticDataset',
    length=23,
    size=16,
    transforms=[dict(type='RandomHorizontalFlip')],
)
val_dataset = dict(type='SyntheticDataset', length=11, size=16, transforms=[])
train_dataloader = dict(batch_size=4, num_workers=0)
val_dataloader = dict(batch_size=4, num_workers=0)
optimizers = dict(generator=dict(type='Adam', lr=1e-2, params=['tokenizer.quantizer']))
iters = 6
strategy = dict(type='DDPStrategy')
train_callbacks = dict(
    codebook=dict(type='CodebookCallback', interval=3),
    log=dict(type='LogCallback', interval=1),
    checkpoint=dict(type='CheckpointCallback', interval=3),
)
val_metrics = dict(
    inertia=dict(type='InertiaMetric'), codebook=dict(type='CodebookMetric')
)
