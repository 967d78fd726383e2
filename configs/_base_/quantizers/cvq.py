"""CVQ-VAE: unused codes move to latents (https://arxiv.org/abs/2307.15139)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=256),
        quantizer=dict(_delete_=True, type='CVQuantizer', codebook_size=8192, dim=256),
    ),
    pre_decode=dict(in_dim=256),
)
