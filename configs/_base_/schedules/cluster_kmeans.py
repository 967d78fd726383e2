"""5,000 iterations of 256 images (one epoch of ImageNet), without an optimizer."""

iters = '{{$iters:5000}}'
train_dataloader = dict(batch_size=256, num_workers=10)
val_dataloader = dict(batch_size=256, num_workers=10)
