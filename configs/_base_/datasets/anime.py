"""One folder of faces, some 10,000, of which 2,000 are for validation, at random.

Options: `data_root`, the folder; `val_size`, a number or a share.
"""

_folder = dict(type='FolderDataset', data_root='{{$data_root:data/anime}}')

train_dataset = dict(
    type='RandomSplitDataset',
    dataset=_folder,
    split='train',
    val_size='{{$val_size:2000}}',
)
val_dataset = dict(
    type='RandomSplitDataset',
    dataset=_folder,
    split='val',
    val_size='{{$val_size:2000}}',
)
