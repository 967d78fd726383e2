"""Lookup-free quantization with 18 bits, 262,144 codes (https://arxiv.org/abs/2310.05737)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=18),
        quantizer=dict(_delete_=True, type='LFQuantizer', dim=18),
    ),
    pre_decode=dict(in_dim=18),
)
