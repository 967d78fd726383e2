"""The teacher SigLIP 2 ViT-B/16 (https://arxiv.org/abs/2502.14786)."""

model = dict(
    teacher=dict(
        type='TimmTeacher',
        model='vit_base_patch16_siglip_224.v2_webli',
        weights='siglip2/vit_base_patch16_224',
        grid=14,
    ),
    decoder=dict(out_dim=768),
)
