"""LAION-Aesthetics of scores of 6.5 and more, 542,247 pictures of the web.

Some of them are broken: they are replaced in training and left out in validation.
"""

train_dataset = dict(
    type='LAIONAestheticsDataset',
    split='train',
    data_root='data/laion/aesthetics',
    on_error='replace',
)
val_dataset = dict(
    type='LAIONAestheticsDataset',
    split='val',
    data_root='data/laion/aesthetics',
    on_error='skip',
)
val_metrics = dict(fid=dict(type='FIDMetric', reference='laion_aesthetics_val'))
