"""Light augmentation of faces: the whole width, mirrored or not, in other light."""

train_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
        dict(type='RandomHorizontalFlip'),
        dict(type='ColorJitter', brightness=0.1, contrast=0.1, saturation=0.1),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
