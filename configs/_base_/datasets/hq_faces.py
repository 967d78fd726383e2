"""CelebA-HQ and FFHQ one behind the other, 100,000 faces."""

train_dataset = dict(
    type='ConcatDataset',
    datasets=dict(
        celeba_hq=dict(
            type='CelebAHQDataset', split='train', data_root='data/celeba-hq-256'
        ),
        ffhq=dict(type='FFHQDataset', split='train', data_root='data/ffhq-256'),
    ),
)
val_dataset = dict(
    type='ConcatDataset',
    datasets=dict(
        celeba_hq=dict(
            type='CelebAHQDataset', split='val', data_root='data/celeba-hq-256'
        ),
        ffhq=dict(type='FFHQDataset', split='val', data_root='data/ffhq-256'),
    ),
)
val_metrics = dict(fid=dict(type='FIDMetric', reference='hq_faces_val'))
