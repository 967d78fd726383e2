"""K-means of CLIP ViT-B/16's features, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cluster/clip_8192_kmeans_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/cluster_kmeans.py', '../_base_/datasets/imagenet.py',
    '../_base_/augment/strong.py', '../_base_/schedules/cluster_kmeans.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_features.py',
]  # fmt: skip
_teacher = dict(
    _from_='configs/_base_/teachers/clip.py', _at_='.model.teacher',
    grid=None, with_proj=False,
)  # fmt: skip
model = dict(tokenizer=dict(encoder=dict(teacher=_teacher)))
