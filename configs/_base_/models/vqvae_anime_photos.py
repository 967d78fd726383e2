"""The strided VQ-VAE, narrow, for photographs and two CPU cores: f4, 32-d codes.

Without LPIPS, which needs downloaded weights. It stands behind the model.
"""

_network = dict(depth=1, latent_dim=32, norm_groups=1)
model = dict(
    tokenizer=dict(encoder=dict(dims=(32, 64), **_network), quantizer=dict(dim=32)),
    decoder=dict(dims=(64, 32), head_dim=16, **_network),
    reconstruction_losses=dict(lpips_loss=None),
)
val_metrics = dict(lpips=None)
train_callbacks = dict(kmeans=dict(batches=8), revival=dict(interval=50))
