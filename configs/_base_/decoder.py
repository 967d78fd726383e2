"""A pixel decoder for the tokenizer of `it_config`, on its data set; behind a VQGAN.

The tokenizer is the validator's, frozen: callbacks that watch or change a codebook have
nothing to do. How it is used, the validator measures.
"""

_it_config = '{{$it_config}}'

model = dict(
    tokenizer=dict(_from_=_it_config, _at_='.validator.model.tokenizer'),
    pre_decode=dict(in_dim=None),  # whatever the tokenizer gives
    frozen=['tokenizer'],
)
train_dataset = dict(_from_=_it_config, _at_='.trainer.dataset')
val_dataset = dict(_from_=_it_config, _at_='.validator.dataset')
optimizers = dict(generator=dict(params=['pre_decode', 'decoder']))
train_callbacks = dict(codebook=None, revival=None, temperature=None)
val_metrics = dict(fid=dict(type='FIDMetric', reference=None))  # that of the data set
