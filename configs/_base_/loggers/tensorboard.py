"""TensorBoard alone, as without this file: it takes back another logger of a base."""

_backends = [dict(type='TensorboardVisBackend')]

train_callbacks = dict(log=dict(type='LogCallback', backends=_backends))
val_callbacks = dict(log=dict(type='LogCallback', backends=_backends))
