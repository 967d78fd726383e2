"""No augmentation: the centre, in training too."""

train_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
