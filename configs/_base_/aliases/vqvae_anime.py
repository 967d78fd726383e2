"""Names under which a VQ-VAE of anime faces is often logged, beside ours.

It stands behind a runtime.
"""

_aliases = {
    'recon_loss': ['l1_loss', 'mse_loss'],
    'vq_loss': ['codebook_loss', 'commitment_loss'],
    'perc_loss': 'lpips_loss',
    'total_loss': 'total',
    'perplexity': 'codebook/perplexity',
    'code_usage_rate': 'codebook/usage',
    'val/recon_loss': 'val/l1',
    'val/perc_loss': 'val/lpips',
    'val/perplexity': 'val/codebook/perplexity',
    'val/code_usage_rate': 'val/codebook/usage',
}

train_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
val_callbacks = dict(log=dict(type='LogCallback', aliases=_aliases))
