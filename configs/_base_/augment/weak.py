"""Weak augmentation: a random square of full height or width, mirrored or not."""

train_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='RandomCrop', size='{{$image_size:256}}'),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
