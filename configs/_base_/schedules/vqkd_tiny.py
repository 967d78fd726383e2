"""500 iterations of 32 crops: a minute on two CPU cores; behind `photos.py`.

In so short a training the encoder leaves the published codebook behind: here codes
follow faster, and the lost ones are revived.
"""

iters = 500
train_dataloader = dict(batch_size=32)
model = dict(tokenizer=dict(quantizer=dict(decay=0.9)))
optimizers = dict(generator=dict(lr=1e-3, params=['tokenizer', 'decoder']))
schedulers = dict(generator=dict(T_max=500))
train_callbacks = dict(
    revival=dict(type='RevivalCallback', max_age=0.25, interval=20),
    images=dict(interval=250),
)
