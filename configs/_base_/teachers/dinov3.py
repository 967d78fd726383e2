"""The teacher DINOv3 ViT-B/16 (https://arxiv.org/abs/2508.10104)."""

model = dict(
    teacher=dict(
        type='TimmTeacher',
        model='vit_base_patch16_dinov3.lvd1689m',
        weights='dinov3/vitb16',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
