"""ImageNet-1k: data/imagenet/{train,val}/WNID/*.JPEG."""

train_dataset = dict(type='FolderDataset', data_root='data/imagenet/train')
val_dataset = dict(type='FolderDataset', data_root='data/imagenet/val')
