"""A narrow MoVQGAN for photographs and two CPU cores: f4, 1,024 codes on a sphere."""

_base_ = ['./vqgan_tiny_colour.py']

model = dict(
    pre_decode=dict(_delete_=True, type='Identity'),
    decoder=dict(type='MoVQDecoder', latent_dim=4, stem_dim=32),
    discriminator_start=500,
)
