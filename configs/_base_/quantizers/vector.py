"""Plain vector quantization: 256-d codes, nearest by L2 (https://arxiv.org/abs/1711.00937)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=256),
        quantizer=dict(
            _delete_=True, type='VectorQuantizer', codebook_size=8192, dim=256
        ),
    ),
    pre_decode=dict(in_dim=256),
)
