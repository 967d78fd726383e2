"""A proposal network over the tokens of a frozen tokenizer; behind data and images.

Options: `ir_config`, the config of the tokenizer with a pixel decoder; `ir_state_dict`,
its checkpoint; `it_state_dict`, the tokenizer's, if that is another file; `tokens`, a
token store to train on, so that no encoder runs.
"""

_ir_config = '{{$ir_config:configs/llamagen/vqgan_imagenet_ddp.py}}'
_tokens = '{{$tokens:None}}'
_store = dict(_delete_=True, type='TokenSampleDataset', root=_tokens)

model = dict(
    type='ProposalNetwork',
    tokenizer=dict(_from_=_ir_config, _at_='.validator.model.tokenizer'),
    pre_decode=dict(_from_=_ir_config, _at_='.validator.model.pre_decode'),
    decoder=dict(_from_=_ir_config, _at_='.validator.model.decoder'),
    classes=1000,
)
train_dataset = _store if _tokens else dict()
trainer = dict(weights=['{{$it_state_dict:None}}', '{{$ir_state_dict:None}}'])
