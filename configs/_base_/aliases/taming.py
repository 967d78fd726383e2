"""The names under which taming's VQGAN logs, beside ours; behind a runtime.

Its `rec_loss` holds the perceptual loss, as its `nll_loss` does; `logits_real` and
`logits_fake` have the same names here.
"""

_likelihood = ['l1_loss', 'mse_loss', 'lpips_loss']
_aliases = {
    'aeloss': 'total',
    'total_loss': 'total',
    'quant_loss': ['codebook_loss', 'commitment_loss', 'kl_loss'],
    'nll_loss': _likelihood,
    'rec_loss': _likelihood,
    'p_loss': 'lpips_loss',
    'd_weight': 'adaptive_weight',
    'disc_factor': 'adversarial_share',
    'g_loss': 'generator_loss',
    'disc_loss': 'discriminator_loss',
    'discloss': 'discriminator_loss',
    'val/rec_loss': ['val/l1', 'val/lpips'],
    'val/p_loss': 'val/lpips',
}

train_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
val_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
