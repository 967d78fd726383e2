"""SimVQ: a frozen codebook behind a learnt linear map (https://arxiv.org/abs/2411.02038)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=128),
        quantizer=dict(
            _delete_=True, type='SimVQuantizer', codebook_size=65536, dim=128
        ),
    ),
    pre_decode=dict(in_dim=128),
)
