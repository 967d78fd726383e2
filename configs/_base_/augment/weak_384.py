"""Weak augmentation at 384 px."""

train_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:384}}'),
        dict(type='RandomCrop', size='{{$image_size:384}}'),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:384}}'),
        dict(type='CenterCrop', size='{{$image_size:384}}'),
    ]
)
