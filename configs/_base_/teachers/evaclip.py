"""The teacher EVA-02-CLIP B/16, not projected (https://arxiv.org/abs/2303.15389)."""

model = dict(
    teacher=dict(
        type='OpenCLIPTeacher',
        model='EVA02-B-16',
        weights='evaclip/EVA02-B-16',
        pretraining='merged2b_s8b_b131k',
        with_proj=False,
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
