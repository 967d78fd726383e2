"""A linear probe of the tokenizer of another config, the option `it_config`."""

model = dict(
    type='LinearProbe',
    tokenizer=dict(_from_='{{$it_config}}', _at_='.validator.model.tokenizer'),
    classes=1000,
)
trainer = dict(weights='{{$it_state_dict:()}}')
