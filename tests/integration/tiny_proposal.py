"""A transformer of 5 classes over the 4 x 4 tokens of the tiny VQGAN, at 8 px."""

_base_ = ['tiny_vqgan.py']
_it = 'tests/integration/tiny_vqgan.py'
_transforms = [dict(type='Resize', size=8), dict(type='CenterCrop', size=8)]

model = dict(
    _delete_=True,
    type='ProposalNetwork',
    tokenizer=dict(_from_=_it, _at_='.validator.model.tokenizer'),
    pre_decode=dict(_from_=_it, _at_='.validator.model.pre_decode'),
    decoder=dict(_from_=_it, _at_='.validator.model.decoder'),
    transformer=dict(type='Llama', dim=16, depth=2, heads=2, mlp_dim=32, grid=(4, 4)),
    classes=5,
    sampling=dict(cfg=2.0, temperature=0.9, top_k=20),
)
train_dataset = dict(num_classes=5, transforms=_transforms)
val_dataset = dict(num_classes=5, transforms=_transforms)
optimizers = dict(
    generator=None,
    discriminator=None,
    transformer=dict(type='AdamW', lr=1e-3, params=['transformer']),
)
schedulers = dict(generator=None)
train_callbacks = dict(codebook=None, discriminator=None, images=None)
val_metrics = dict(l1=None, psnr=None, ssim=None, codebook=None)
