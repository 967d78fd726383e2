"""100,000 iterations of 256 images (20 epochs of ImageNet), Adam on the codebook."""

iters = '{{$iters:100_000}}'
train_dataloader = dict(batch_size=256, num_workers=10)
val_dataloader = dict(batch_size=256, num_workers=10)
optimizers = dict(
    generator=dict(
        type='Adam', lr=5.4e-5, betas=(0.5, 0.9), params=['tokenizer.quantizer']
    )
)
