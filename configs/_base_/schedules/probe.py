"""30,000 iterations of 4,096 images, LARS with a rate that falls by a cosine.

MAE's recipe for ImageNet: for another batch size, change the rate in proportion.
"""

iters = '{{$iters:30_000}}'
train_dataloader = dict(batch_size=4096, num_workers=10)
val_dataloader = dict(batch_size=512, num_workers=10)
optimizers = dict(head=dict(type='LARS', lr=1.6, momentum=0.9, params=['head']))
schedulers = dict(head=dict(type='CosineAnnealingLR', T_max='{{$iters:30_000}}'))
