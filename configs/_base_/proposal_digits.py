"""A proposal network over the tokens of digits that `make demo` writes.

The options of `proposal.py`; by default all is where `make demo` puts it.
"""

_base_ = ['./proposal.py']

_ir_config = '{{$ir_config:configs/demo/vqgan_digits.py}}'
_weights = '{{$ir_state_dict:work_dirs/demo/digits/checkpoints/latest/model.pth}}'
_tokens = '{{$tokens:work_dirs/demo/digits_tokenize_train/tokens}}'
# What stands in for digits in a dry run is larger.
_crop = [dict(type='CenterCrop', size=32)]

model = dict(
    tokenizer=dict(_from_=_ir_config, _at_='.validator.model.tokenizer'),
    pre_decode=dict(_from_=_ir_config, _at_='.validator.model.pre_decode'),
    decoder=dict(_from_=_ir_config, _at_='.validator.model.decoder'),
    classes=10,
)
train_dataset = dict(
    _delete_=True, type='TokenSampleDataset', root=_tokens, transforms=_crop
)
val_metrics = dict(rfid=None, gfid=None)  # Inception knows no digits
trainer = dict(weights=['{{$it_state_dict:None}}', _weights])
