"""Logs, pictures, checkpoints and metrics of a proposal network; behind the data set.

What the frozen tokenizer reconstructs is measured once, not at each checkpoint.
"""

_once = dict(type='PartMetric', part='reconstruction', once=True)

train_callbacks = dict(
    git=dict(type='GitCallback'),
    log=dict(type='LogCallback', interval=50),
    images=dict(type='ImagesCallback', interval=500),
    checkpoint=dict(type='CheckpointCallback', interval=10_000),
)
val_callbacks = dict(
    log=dict(type='LogCallback', interval=10),
    images=dict(type='ImagesCallback'),
    position_loss=dict(type='PositionLossCallback'),
)
val_metrics = dict(
    fid=None,
    tokens=dict(type='TokenMetric'),
    codebook=dict(type='CodebookMetric'),
    psnr=dict(metric=dict(type='PSNR'), **_once),
    ssim=dict(metric=dict(type='SSIM'), **_once),
    rfid=dict(metric=dict(type='FIDMetric'), **_once),
    gfid=dict(type='PartMetric', part='generated', metric=dict(type='FIDMetric')),
)
