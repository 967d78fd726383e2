"""Images that tables name, in their column `image_name`.

Options: `train_csv` and `val_csv`, the tables; `data_root`, where relative paths begin
(not given: the folder of the table); `column`, another one; `on_missing::skip` leaves
out rows whose files are not there.
"""

train_dataset = dict(
    type='CSVDataset',
    csv='{{$train_csv:data/train.csv}}',
    column='{{$column:image_name}}',
    data_root='{{$data_root:}}',
    on_missing='{{$on_missing:raise}}',
)
val_dataset = dict(
    type='CSVDataset',
    csv='{{$val_csv:data/val.csv}}',
    column='{{$column:image_name}}',
    data_root='{{$data_root:}}',
    on_missing='{{$on_missing:raise}}',
)
