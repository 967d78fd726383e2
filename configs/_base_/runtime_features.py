"""Logs, checkpoints and metrics of a tokenizer that is learnt without a pixel decoder.

Stands behind the data set, whose FID it leaves out: there is no picture to measure.
"""

train_callbacks = dict(
    git=dict(type='GitCallback'),
    codebook=dict(type='CodebookCallback', interval=500),
    log=dict(type='LogCallback', interval=50),
    images=dict(type='ImagesCallback', interval=500),
    checkpoint=dict(type='CheckpointCallback', interval=10_000),
)
val_callbacks = dict(
    log=dict(type='LogCallback', interval=50),
    images=dict(type='ImagesCallback', interval=500),
)
val_metrics = dict(
    fid=None,
    cosine_loss=dict(type='CosineLossMetric'),
    codebook=dict(type='CodebookMetric'),
)
