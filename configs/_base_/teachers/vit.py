"""The teacher ViT-B/16, supervised, of torchvision (https://arxiv.org/abs/2010.11929)."""

model = dict(
    teacher=dict(
        type='TorchvisionTeacher',
        model='vit_b_16',
        weights='torchvision/vit_b_16',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
