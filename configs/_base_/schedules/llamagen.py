"""400,000 iterations of 128 images (40 epochs of ImageNet), Adam, constant rates."""

_base_ = ['./vqgan.py']

iters = '{{$iters:400_000}}'
train_dataloader = dict(batch_size=128, num_workers=10)
val_dataloader = dict(batch_size=128, num_workers=10)
optimizers = dict(
    generator=dict(lr=1e-4, betas=(0.9, 0.95)),
    discriminator=dict(lr=1e-4, betas=(0.9, 0.95)),
)
