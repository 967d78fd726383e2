"""StyleGAN2's discriminator instead of another. It stands behind a model."""

model = dict(
    discriminator=dict(
        _delete_=True,
        type='StyleGAN2Discriminator',
        image_size='{{$image_size:256}}',
    )
)
