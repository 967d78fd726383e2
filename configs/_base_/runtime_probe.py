"""Logs, checkpoints and metrics of a probe; stands behind the data set.

There is no picture to measure or to show.
"""

train_callbacks = dict(
    git=dict(type='GitCallback'),
    log=dict(type='LogCallback', interval=50),
    checkpoint=dict(type='CheckpointCallback', interval=1000),
)
val_callbacks = dict(log=dict(type='LogCallback', interval=10))
val_metrics = dict(
    fid=None,
    accuracy=dict(type='AccuracyMetric'),
    cross_entropy=dict(type='CrossEntropyMetric'),
    codebook=dict(type='CodebookMetric'),
)
