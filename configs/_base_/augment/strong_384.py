"""VQGAN's augmentation at 384 px."""

train_dataset = dict(
    transforms=[
        dict(type='RandomResizedCrop', size='{{$image_size:384}}', scale=(0.8, 1.0)),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:384}}'),
        dict(type='CenterCrop', size='{{$image_size:384}}'),
    ]
)
