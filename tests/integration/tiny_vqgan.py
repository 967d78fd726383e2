"""A VQGAN that trains in a second, on synthetic 16 px images."""

model = dict(
    type='VQGAN',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(
            type='ConvEncoder',
            width=8,
            width_mults=(1, 2),
            depth=1,
            attention=(),
            refine=False,
            latent_dim=8,
            norm_groups=4,
        ),
        post_encode=dict(type='Connector', in_dim=8, out_dim=4),
        quantizer=dict(type='VectorQuantizer', codebook_size=32, dim=4),
    ),
    pre_decode=dict(type='Connector', in_dim=4, out_dim=8),
    decoder=dict(
        type='ConvDecoder',
        width=8,
        width_mults=(2, 1),
        depth=1,
        attention=(),
        refine=False,
        latent_dim=8,
        norm_groups=4,
    ),
    reconstruction_losses=dict(l1_loss=dict(type='L1Loss')),
    discriminator=dict(type='PatchDiscriminator', depth=2, width=4, norm='none'),
    adversarial_loss=dict(type='HingeLoss'),
    adversarial_weight=dict(type='AdaptiveWeight', gain=0.8),
    regularizers=dict(
        r1=dict(type='R1Penalty', every=2), lecam=dict(type='LeCAM', weight=0.1)
    ),
    discriminator_start=1,
    adversarial_warmup=1,
    adversarial_ramp=3,
)
train_dataset = dict(
    type='SyntheticDataset',
    length=23,
    size=20,
    transforms=[
        dict(type='RandomResizedCrop', size=16, scale=(0.8, 1.0)),
        dict(type='RandomHorizontalFlip'),
    ],
)
val_dataset = dict(
    type='SyntheticDataset',
    length=11,
    size=20,
    transforms=[dict(type='Resize', size=16), dict(type='CenterCrop', size=16)],
)
train_dataloader = dict(batch_size=4, num_workers=0)
val_dataloader = dict(batch_size=4, num_workers=0)
optimizers = dict(
    generator=dict(
        type='Adam',
        lr=1e-3,
        betas=(0.5, 0.9),
        params=['tokenizer', 'pre_decode', 'decoder'],
        clip_grad=1.0,
    ),
    discriminator=dict(type='Adam', lr=1e-3, params=['discriminator']),
)
schedulers = dict(
    generator=dict(
        type='SequentialLR',
        schedulers=[
            dict(type='LinearLR', start_factor=0.1, total_iters=3),
            dict(type='CosineAnnealingLR', T_max=9),
        ],
        milestones=[3],
    )
)
iters = 12
strategy = dict(type='DDPStrategy')
train_callbacks = dict(
    ema=dict(type='EMACallback', decay=0.9),
    codebook=dict(type='CodebookCallback', interval=5),
    discriminator=dict(type='DiscriminatorCallback', interval=5),
    log=dict(type='LogCallback', interval=5),
    images=dict(type='ImagesCallback', interval=4, number=4),
    checkpoint=dict(type='CheckpointCallback', interval=3),
)
val_callbacks = dict(log=dict(type='LogCallback', interval=2))
val_metrics = dict(
    l1=dict(type='L1'),
    psnr=dict(type='PSNR'),
    ssim=dict(type='SSIM'),
    codebook=dict(type='CodebookMetric'),
)
