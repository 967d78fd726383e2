"""ImageNet-1k, 1.28 million photographs of 1000 classes, below data/imagenet."""

train_dataset = dict(type='ImageNetDataset', split='train', data_root='data/imagenet')
val_dataset = dict(type='ImageNetDataset', split='val', data_root='data/imagenet')
val_metrics = dict(fid=dict(type='FIDMetric', reference='imagenet_val'))
