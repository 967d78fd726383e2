"""1,797 handwritten digits, 32 px; `python tools/prepare_data.py digits` makes them."""

# They are of this size already; what stands in for them in a dry run is not.
_crop = [dict(type='CenterCrop', size=32)]

train_dataset = dict(
    type='FolderDataset', data_root='data/digits/train', transforms=_crop
)
val_dataset = dict(type='FolderDataset', data_root='data/digits/val', transforms=_crop)
