"""Videos: clips of eight frames for training, every frame an image for validation.

Options: `train_root` and `val_root`, folders of video files or of folders of pictures;
`frames` a clip; `stride`, from one frame of a clip to the next.
"""

train_dataset = dict(
    type='ClipDataset',
    data_root='{{$train_root:data/clips/train}}',
    frames='{{$frames:8}}',
    stride='{{$stride:1}}',
)
val_dataset = dict(
    type='ClipDataset', data_root='{{$val_root:data/clips/val}}', frames=1
)
