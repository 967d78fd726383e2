"""Llama of 111 million parameters."""

model = dict(
    transformer=dict(
        type='Llama',
        dim=768,
        depth=12,
        heads=12,
        mlp_dim=2048,
        grid=('{{$image_size:256}}' // 16, '{{$image_size:256}}' // 16),
    )
)
