"""RQ-VAE: four codes a position, from one EMA codebook (https://arxiv.org/abs/2203.01941)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=256),
        quantizer=dict(
            _delete_=True,
            type='ResidualQuantizer',
            depth=4,
            quantizer=dict(type='EMAQuantizer', codebook_size=16384, dim=256),
        ),
    ),
    pre_decode=dict(in_dim=256),
)
train_callbacks = dict(revival=dict(type='RevivalCallback', policy='random'))
