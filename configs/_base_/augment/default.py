"""What classifiers train on: a crop of 8 % to 100 % of the area, mirrored or not."""

train_dataset = dict(
    transforms=[
        dict(type='RandomResizedCrop', size='{{$image_size:256}}'),
        dict(type='RandomHorizontalFlip'),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='CenterCrop', size='{{$image_size:256}}'),
    ]
)
