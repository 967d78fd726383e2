"""The teacher DINOv2 ViT-B/14 with registers (https://arxiv.org/abs/2309.16588)."""

model = dict(
    teacher=dict(
        type='TimmTeacher',
        model='vit_base_patch14_reg4_dinov2.lvd142m',
        weights='dinov2/vitb14_reg4',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
