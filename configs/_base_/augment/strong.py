"""VQGAN's augmentation: a crop of 80 % to 100 % of the area, mirrored or not."""

train_dataset = dict(
    transforms=[
        dict(type='RandomResizedCrop', size='{{$image_size:256}}', scale=(0.8, 1.0)),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
