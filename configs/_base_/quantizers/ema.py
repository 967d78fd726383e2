"""A codebook of moving averages, dead codes revived (https://arxiv.org/abs/1906.00446)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=32),
        quantizer=dict(_delete_=True, type='EMAQuantizer', codebook_size=8192, dim=32),
    ),
    pre_decode=dict(in_dim=32),
)
train_callbacks = dict(revival=dict(type='RevivalCallback', policy='random'))
