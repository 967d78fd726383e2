"""MoVQGAN 67M: a decoder modulated by its latent, 16,384 codes of 4 channels, f8.

https://arxiv.org/abs/2209.09002; sizes of https://github.com/ai-forever/MoVQGAN.
"""

_base_ = ['./vqgan.py']

model = dict(
    tokenizer=dict(
        encoder=dict(width_mults=(1, 2, 2, 4), latent_dim=4),
        post_encode=dict(in_dim=4, out_dim=4),
        quantizer=dict(codebook_size=16384, dim=4),
    ),
    pre_decode=dict(_delete_=True, type='Identity'),  # the decoder has its own
    decoder=dict(
        type='MoVQDecoder', width_mults=(4, 2, 2, 1), latent_dim=4, stem_dim=4
    ),
    reconstruction_losses=dict(l1_loss=None, mse_loss=dict(type='MSELoss')),
    discriminator=dict(depth=2),
    discriminator_start=1,
)
