"""The second phase of the VQ-VAE: a discriminator of patches joins in after 20,000.

Its loss grows over as many iterations, to the weight 0.1.
"""

_base_ = ['./vqvae_anime.py']

model = dict(
    discriminator=dict(type='PatchDiscriminator'),
    adversarial_loss=dict(type='HingeLoss', generator_weight=0.1),
    discriminator_start='{{$gan_start:20_000}}',
    adversarial_ramp='{{$gan_ramp:20_000}}',
)
val_model = dict(discriminator=None, adversarial_loss=None)
