"""The teacher OpenCLIP ViT-H/14, projected (https://arxiv.org/abs/2212.07143)."""

model = dict(
    teacher=dict(
        type='OpenCLIPTeacher',
        model='ViT-H-14',
        weights='openclip/ViT-H-14',
        pretraining='laion2b_s32b_b79k',
        grid=14,
    ),
    decoder=dict(out_dim=1024),
)
