"""100,000 iterations of 2 clips, Adam with constant rates."""

_base_ = ['./vqgan.py']

iters = '{{$iters:100_000}}'
train_dataloader = dict(batch_size=2)
val_dataloader = dict(batch_size=16)
optimizers = dict(generator=dict(lr=1e-4), discriminator=dict(lr=1e-4))
