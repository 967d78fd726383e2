"""What classifiers train on, at the 224 px of most teachers."""

train_dataset = dict(
    transforms=[
        dict(type='RandomResizedCrop', size='{{$image_size:224}}'),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:224}}'),
        dict(type='CenterCrop', size='{{$image_size:224}}'),
    ]
)
