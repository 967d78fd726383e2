"""As anime.py, but nothing is cut off: what is no square gets a border."""

train_dataset = dict(
    transforms=[
        dict(type='PadToSquare', value='{{$border:255}}'),
        dict(type='Resize', size='{{$image_size:256}}'),
        dict(type='RandomHorizontalFlip'),
        dict(type='ColorJitter', brightness=0.1, contrast=0.1, saturation=0.1),
    ]
)
val_dataset = dict(
    transforms=[
        dict(type='PadToSquare', value='{{$border:255}}'),
        dict(type='Resize', size='{{$image_size:256}}'),
    ]
)
