"""SA-Med2D-20M, 3.77 million slices of medical scans, below data/sa_med2d."""

train_dataset = dict(type='SAMed2DDataset', split='train', data_root='data/sa_med2d')
val_dataset = dict(type='SAMed2DDataset', split='val', data_root='data/sa_med2d')
val_metrics = dict(fid=dict(type='FIDMetric', reference='sa_med2d_20m_val'))
