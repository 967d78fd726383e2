"""Llama of 0.2 million parameters, for 8x8 tokens of 256 codes."""

model = dict(
    dropout=0.1,
    transformer=dict(
        type='Llama',
        positions='grid',
        dim=64,
        depth=4,
        heads=4,
        mlp_dim=128,
        dropout=0.1,
        grid=(8, 8),
    ),
)
