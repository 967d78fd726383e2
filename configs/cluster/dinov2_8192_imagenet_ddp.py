"""Cluster of DINOv2 ViT-B/14's features, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cluster/dinov2_8192_imagenet_ddp.py
"""

_base_ = ['./clip_8192_imagenet_ddp.py']
_teacher = dict(
    _from_='configs/_base_/teachers/dinov2.py',
    _at_='.model.teacher',
    grid=None,
    size=224,
)
model = dict(tokenizer=dict(encoder=dict(teacher=_teacher)))
