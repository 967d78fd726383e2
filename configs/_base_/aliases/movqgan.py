"""The names under which MoVQGAN's training logs, beside ours; behind a runtime."""

_aliases = {
    'aeloss': 'total',
    'discloss': 'discriminator_loss',
    'rec_loss': ['mse_loss', 'l1_loss'],
    'p_loss': 'lpips_loss',
    'g_loss': 'generator_loss',
    'quant_loss': ['codebook_loss', 'commitment_loss', 'kl_loss'],
    'val/rec_loss': 'val/mse',
    'val/p_loss': 'val/lpips',
}

train_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
val_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
