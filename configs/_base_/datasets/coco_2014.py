"""COCO of 2014, 82,783 and 40,504 photographs, below data/coco."""

train_dataset = dict(type='COCODataset', split='train', data_root='data/coco')
val_dataset = dict(type='COCODataset', split='val', data_root='data/coco')
val_metrics = dict(fid=dict(type='FIDMetric', reference='coco_2014_val'))
