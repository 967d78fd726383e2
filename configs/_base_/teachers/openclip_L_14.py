"""The teacher OpenCLIP ViT-L/14, projected (https://arxiv.org/abs/2212.07143)."""

model = dict(
    teacher=dict(
        type='OpenCLIPTeacher',
        model='ViT-L-14',
        weights='openclip/ViT-L-14',
        pretraining='laion2b_s32b_b82k',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
