"""The teacher OpenCLIP ViT-bigG/14, projected (https://arxiv.org/abs/2212.07143)."""

model = dict(
    teacher=dict(
        type='OpenCLIPTeacher',
        model='ViT-bigG-14',
        weights='openclip/ViT-bigG-14',
        pretraining='laion2b_s39b_b160k',
        grid=14,
    ),
    decoder=dict(out_dim=1280),
)
