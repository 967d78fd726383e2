"""Statistics of the small sets on a CPU, of images as they are; see fid.py."""

_base_ = ['./fid.py']

_dataloader = dict(batch_size=32, num_workers=1)
_callbacks = dict(statistics=dict(block_size=32), log=dict(interval=2))

train_dataloader = _dataloader
val_dataloader = _dataloader
train_callbacks = _callbacks
val_callbacks = _callbacks
