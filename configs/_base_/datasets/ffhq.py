"""FFHQ, 70,000 faces, below data/ffhq-256."""

train_dataset = dict(type='FFHQDataset', split='train', data_root='data/ffhq-256')
val_dataset = dict(type='FFHQDataset', split='val', data_root='data/ffhq-256')
val_metrics = dict(fid=dict(type='FIDMetric', reference='ffhq_val'))
