"""Cluster of DINO ViT-B/16's features, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cluster/dino_8192_imagenet_ddp.py
"""

_base_ = ['./clip_8192_imagenet_ddp.py']
_teacher = dict(
    _from_='configs/_base_/teachers/dino.py', _at_='.model.teacher', grid=None
)
model = dict(tokenizer=dict(encoder=dict(teacher=_teacher)))
