"""Fully sharded data parallel in training; validation holds the model whole."""

strategy = dict(type='FSDPStrategy')
val_strategy = dict(_delete_=True, type='DDPStrategy')
