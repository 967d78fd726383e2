"""The teacher OpenAI CLIP ViT-B/16, projected (https://arxiv.org/abs/2103.00020)."""

model = dict(
    teacher=dict(
        type='OpenCLIPTeacher',
        model='ViT-B-16-quickgelu',
        weights='clip/ViT-B-16',
        grid=14,
    ),
    decoder=dict(out_dim=512),
)
