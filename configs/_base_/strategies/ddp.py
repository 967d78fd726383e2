"""Data parallel: every rank holds the model."""

strategy = dict(type='DDPStrategy')
