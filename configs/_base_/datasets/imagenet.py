"""ImageNet-1k: data/imagenet/{train,val}/WNID/*.JPEG."""

train_dataset = dict(type='FolderDataset', root='data/imagenet/train')
val_dataset = dict(type='FolderDataset', root='data/imagenet/val')
