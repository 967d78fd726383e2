"""Finite scalar quantization with 8,000 codes (https://arxiv.org/abs/2309.15505)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(hidden_dim=256, out_dim=5),
        quantizer=dict(_delete_=True, type='FSQuantizer', levels=(8, 8, 5, 5, 5)),
    ),
    pre_decode=dict(in_dim=5, hidden_dim=256),
)
