"""CelebA-HQ, 30,000 faces, below data/celeba-hq-256."""

train_dataset = dict(
    type='CelebAHQDataset', split='train', data_root='data/celeba-hq-256'
)
val_dataset = dict(type='CelebAHQDataset', split='val', data_root='data/celeba-hq-256')
val_metrics = dict(fid=dict(type='FIDMetric', reference='celeba_hq_val'))
