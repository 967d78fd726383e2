"""A decoder for the frozen tokenizer of the tiny VQGAN, with a codebook that moves."""

_base_ = ['tiny_vqgan.py']

model = dict(
    tokenizer=dict(quantizer=dict(type='EMAQuantizer')),
    pre_decode=dict(in_dim=None),
    frozen=['tokenizer'],
)
optimizers = dict(generator=dict(params=['pre_decode', 'decoder']))
schedulers = dict(generator=None)
train_callbacks = dict(
    codebook=dict(interval=2),
    images=None,
    log=dict(interval=1),
    checkpoint=dict(interval=2),
)
val_callbacks = dict(log=None)
val_metrics = dict(ssim=None, codebook=None)
iters = 4
