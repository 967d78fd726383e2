"""Product quantization: the channels in two groups, a codebook each (XQ-GAN, https://arxiv.org/abs/2412.01762)."""

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=64),
        quantizer=dict(
            _delete_=True,
            type='ProductQuantizer',
            groups=2,
            quantizer=dict(
                type='VectorQuantizer', codebook_size=4096, dim=32, normalize=True
            ),
        ),
    ),
    pre_decode=dict(in_dim=64),
)
