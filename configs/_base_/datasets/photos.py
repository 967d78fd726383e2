"""64 px crops of nine photographs; `python tools/prepare_data.py photos` makes them."""

train_dataset = dict(type='FolderDataset', data_root='data/photos/train')
val_dataset = dict(type='FolderDataset', data_root='data/photos/val')
