"""Index backpropagation: every code has a gradient (https://arxiv.org/abs/2412.02692)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=256),
        quantizer=dict(_delete_=True, type='IBQuantizer', codebook_size=16384, dim=256),
    ),
    pre_decode=dict(in_dim=256),
)
