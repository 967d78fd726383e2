"""ImageNet-1k at 384 px, for experiments that validate at this size.

auto_torchrun -m vq.fid imagenet_384
"""

_base_ = ['./imagenet.py']
_crop = [dict(type='Resize', size=384), dict(type='CenterCrop', size=384)]
train_dataset = dict(transforms=_crop)
val_dataset = dict(transforms=_crop)
