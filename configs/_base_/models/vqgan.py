"""VQGAN, 256-d codes, f16 (https://arxiv.org/abs/2012.09841)."""

model = dict(
    type='VQGAN',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='ConvEncoder'),
        post_encode=dict(type='Connector', in_dim=256, out_dim=256),
        quantizer=dict(type='VectorQuantizer', codebook_size=8192, dim=256),
    ),
    pre_decode=dict(type='Connector', in_dim=256, out_dim=256),
    decoder=dict(type='ConvDecoder'),
    reconstruction_losses=dict(
        l1_loss=dict(type='L1Loss'), lpips_loss=dict(type='LPIPSLoss')
    ),
    discriminator=dict(type='PatchDiscriminator', depth=3),
    adversarial_loss=dict(type='HingeLoss'),
    adversarial_weight=dict(type='AdaptiveWeight', gain=0.8),
)
# Validation trains nothing: it has no discriminator, and LPIPS is a metric there.
val_model = dict(
    reconstruction_losses=dict(lpips_loss=None),
    discriminator=None,
    adversarial_loss=None,
    adversarial_weight=None,
    regularizers=dict(_delete_=True),
)
val_metrics = dict(lpips=dict(type='LPIPSMetric'))
