"""LlamaGen's VQ-16: 16,384 codes of 8 channels on a sphere (https://arxiv.org/abs/2406.06525)."""

_base_ = ['./vqgan.py']

model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=8),
        quantizer=dict(codebook_size=16384, dim=8, normalize=True),
    ),
    pre_decode=dict(in_dim=8),
    reconstruction_losses=dict(l1_loss=None, mse_loss=dict(type='MSELoss')),
    adversarial_loss=dict(generator_weight=0.5, discriminator_weight=0.5),
    adversarial_weight=None,
    discriminator_start=20_000,
)
