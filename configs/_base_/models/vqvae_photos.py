"""A plain VQ-VAE for photographs and two CPU cores: f4, 32-d codes, pixel losses."""

_base_ = ['./vqgan_tiny_colour.py']

model = dict(
    tokenizer=dict(
        encoder=dict(width_mults=(1, 2, 4)),
        post_encode=dict(out_dim=32),
        quantizer=dict(
            _delete_=True, type='VectorQuantizer', codebook_size=1024, dim=32
        ),
    ),
    pre_decode=dict(in_dim=32),
    decoder=dict(width_mults=(4, 2, 1)),
    discriminator=None,
    adversarial_loss=None,
    adversarial_weight=None,
)
