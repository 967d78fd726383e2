"""A decoder modulated by its latent as pixel decoder; stands behind a VQGAN, f16."""

model = dict(
    pre_decode=dict(out_dim=32),
    decoder=dict(
        _delete_=True,
        type='MoVQDecoder',
        width_mults=(4, 2, 2, 1, 1),
        latent_dim=32,
        stem_dim=32,
    ),
)
