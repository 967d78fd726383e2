"""Images that one table names, `val_size` of them, at random, for validation.

Options as of csv.py, but `csv` is the one table.
"""

_table = dict(
    type='CSVDataset',
    csv='{{$csv:data/images.csv}}',
    column='{{$column:image_name}}',
    data_root='{{$data_root:}}',
    on_missing='{{$on_missing:raise}}',
)

train_dataset = dict(
    type='RandomSplitDataset',
    dataset=_table,
    split='train',
    val_size='{{$val_size:2000}}',
)
val_dataset = dict(
    type='RandomSplitDataset',
    dataset=_table,
    split='val',
    val_size='{{$val_size:2000}}',
)
