"""A VQGAN for two CPU cores: f4, narrow, with codes on a low-dimensional sphere.

In more dimensions than three or four some codes are never used. Without LPIPS, which
needs downloaded weights and learned from photographs.
"""

_base_ = ['./vqgan.py']

_network = dict(
    width=16, depth=1, attention=(), refine=False, latent_dim=32, norm_groups=8
)
model = dict(
    tokenizer=dict(
        encoder=dict(width_mults=(1, 2, 2), **_network),
        post_encode=dict(in_dim=32, out_dim=3),
        quantizer=dict(codebook_size=256, dim=3, normalize=True),
    ),
    pre_decode=dict(in_dim=3, out_dim=32),
    decoder=dict(width_mults=(2, 2, 1), **_network),
    reconstruction_losses=dict(lpips_loss=None, mse_loss=dict(type='MSELoss')),
    discriminator=dict(depth=2, width=16),
    adversarial_weight=dict(gain=0.1),
    discriminator_start=800,
)
val_metrics = dict(lpips=None)
