"""64 px crops of nine photographs; `python tools/prepare_data.py photos` makes them."""

# They are of this size already; what stands in for them in a dry run is not.
_crop = [dict(type='CenterCrop', size=64)]

train_dataset = dict(
    type='FolderDataset', data_root='data/photos/train', transforms=_crop
)
val_dataset = dict(type='FolderDataset', data_root='data/photos/val', transforms=_crop)
