"""The teacher MAE ViT-B/16 (https://arxiv.org/abs/2111.06377)."""

model = dict(
    teacher=dict(
        type='TimmTeacher',
        model='vit_base_patch16_224.mae',
        weights='mae/vit_base',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
