"""Cluster of MAE ViT-B/16's features, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cluster/mae_8192_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/cluster.py', '../_base_/datasets/imagenet.py',
    '../_base_/augment/strong.py', '../_base_/schedules/cluster.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_features.py',
]  # fmt: skip
_teacher = dict(
    _from_='configs/_base_/teachers/mae.py', _at_='.model.teacher',
    grid=None,
)  # fmt: skip
model = dict(tokenizer=dict(encoder=dict(teacher=_teacher)))
