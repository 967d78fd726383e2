"""VQGAN with 8,192 codes and a shallower discriminator on ImageNet."""

_base_ = ['./8192_imagenet_ddp.py']
model = dict(discriminator=dict(depth=2), adversarial_weight=dict(gain=0.75))
