"""A VQ-VAE of strided convolutions: f16, 1,024 codes of 256 channels, moving averages.

The codebook begins at centres of latents, and codes that a pass over the data set does
not use become latents that lie far from theirs. Without a discriminator.
"""

model = dict(
    type='VQGAN',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='StridedEncoder'),
        post_encode=dict(type='Identity'),
        quantizer=dict(type='EMAQuantizer', codebook_size=1024, dim=256),
    ),
    pre_decode=dict(type='Identity'),
    decoder=dict(type='UpsamplingDecoder'),
    reconstruction_losses=dict(
        l1_loss=dict(type='L1Loss'), lpips_loss=dict(type='LPIPSLoss', weight=0.5)
    ),
)
val_model = dict(reconstruction_losses=dict(lpips_loss=None))
val_metrics = dict(
    lpips=dict(type='LPIPSMetric'), vq_loss=dict(type='QuantizerLossMetric')
)
train_callbacks = dict(
    kmeans=dict(type='KMeansCallback', batches=32),
    revival=dict(type='RevivalCallback', policy='worst', max_age=1.0, interval=250),
)
