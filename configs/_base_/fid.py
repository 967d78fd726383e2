"""Statistics of a data set through FID's Inception; stands behind the data set.

Either split is walked once, in order, and by whoever is `trainer` or `validator`.
"""

_dataloader = dict(batch_size=256, num_workers=10)
_callbacks = dict(
    statistics=dict(type='StatisticsCallback'),
    log=dict(type='LogCallback', interval=10),
)

model = dict(type='InceptionExtractor')
train_dataloader = _dataloader
val_dataloader = _dataloader
train_callbacks = _callbacks
val_callbacks = _callbacks
val_metrics = dict(_delete_=True)
trainer = dict(type='Extraction')
validator = dict(type='Extraction')
