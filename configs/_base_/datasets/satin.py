"""SATIN, 19 sets of satellite and aerial pictures, below data/satin."""

train_dataset = dict(type='SATINDataset', split='train', data_root='data/satin')
val_dataset = dict(type='SATINDataset', split='val', data_root='data/satin')
val_metrics = dict(fid=dict(type='FIDMetric', reference='satin_val'))
