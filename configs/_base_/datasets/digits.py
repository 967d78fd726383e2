"""1,797 handwritten digits, 32 px; `python tools/prepare_data.py digits` makes them."""

train_dataset = dict(type='FolderDataset', data_root='data/digits/train')
val_dataset = dict(type='FolderDataset', data_root='data/digits/val')
