"""A level less: 256x256 pixels become 32x32 tokens. It stands behind a model."""

model = dict(
    tokenizer=dict(encoder=dict(width_mults=(1, 1, 2, 4))),
    decoder=dict(width_mults=(4, 2, 1, 1)),
)
