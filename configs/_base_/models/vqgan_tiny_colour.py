"""The tiny VQGAN for photographs: more channels where there are few pixels, more codes.

One normalisation group keeps the channels apart that hold colours, and squared errors
weigh much, since a few photographs have few colours to learn from.
"""

_base_ = ['./vqgan_tiny.py']

_network = dict(width=8, norm_groups=1)
model = dict(
    tokenizer=dict(
        encoder=dict(width_mults=(1, 4, 4), **_network),
        post_encode=dict(out_dim=4),
        quantizer=dict(codebook_size=1024, dim=4),
    ),
    pre_decode=dict(in_dim=4),
    decoder=dict(width_mults=(4, 4, 1), **_network),
    reconstruction_losses=dict(mse_loss=dict(weight=10.0)),
    discriminator_start=4000,
)
