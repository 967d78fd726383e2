"""Codes drawn by Gumbel-softmax, ever colder (https://arxiv.org/abs/1611.01144)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=256),
        quantizer=dict(
            _delete_=True, type='GumbelQuantizer', codebook_size=8192, dim=256
        ),
    ),
    pre_decode=dict(in_dim=256),
)
train_callbacks = dict(
    temperature=dict(
        type='AnnealCallback',
        attribute='tokenizer.quantizer.temperature',
        start=0.9,
        end=1e-6,
        iters='{{$iters:260_000}}',
    )
)
