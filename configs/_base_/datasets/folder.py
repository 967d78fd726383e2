"""Any two folders of images; the options `train_root` and `val_root` name them."""

train_dataset = dict(type='FolderDataset', data_root='{{$train_root}}')
val_dataset = dict(type='FolderDataset', data_root='{{$val_root}}')
