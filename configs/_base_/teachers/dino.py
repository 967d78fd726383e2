"""The teacher DINO ViT-B/16 (https://arxiv.org/abs/2104.14294)."""

model = dict(
    teacher=dict(
        type='TimmTeacher',
        model='vit_base_patch16_224.dino',
        weights='dino/vitbase16',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
