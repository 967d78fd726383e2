"""260,000 iterations of 96 images, Adam with constant learning rates."""

iters = '{{$iters:260_000}}'
train_dataloader = dict(batch_size=96, num_workers=5)
val_dataloader = dict(batch_size=96, num_workers=5)
optimizers = dict(
    generator=dict(
        type='Adam',
        lr=5.4e-5,
        betas=(0.5, 0.9),
        params=['tokenizer', 'pre_decode', 'decoder'],
    ),
    discriminator=dict(
        type='Adam', lr=4.32e-4, betas=(0.5, 0.9), params=['discriminator']
    ),
)
