"""A transformer of 86 M parameters as pixel decoder; stands behind a VQGAN."""

model = dict(
    pre_decode=dict(out_dim=32),
    decoder=dict(
        _delete_=True,
        type='ViTDecoder',
        out_dim=3,
        out_patch=16,
        width=768,
        depth=12,
        heads=12,
        latent_dim=32,
    ),
)
