"""Logs, pictures, checkpoints and metrics of a tokenizer with a pixel decoder."""

train_callbacks = dict(
    git=dict(type='GitCallback'),
    codebook=dict(type='CodebookCallback', interval=500),
    discriminator=dict(type='DiscriminatorCallback', interval=500),
    log=dict(type='LogCallback', interval=50),
    images=dict(type='ImagesCallback', interval=500),
    checkpoint=dict(type='CheckpointCallback', interval=10_000),
)
val_callbacks = dict(
    log=dict(type='LogCallback', interval=50),
    images=dict(type='ImagesCallback', interval=500),
)
val_metrics = dict(
    l1=dict(type='L1'),
    mse=dict(type='MSE'),
    psnr=dict(type='PSNR'),
    ssim=dict(type='SSIM'),
    codebook=dict(type='CodebookMetric'),
)
