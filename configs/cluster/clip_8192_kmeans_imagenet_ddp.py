"""K-means of CLIP ViT-B/16's features, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/cluster/clip_8192_kmeans_imagenet_ddp.py
"""

_base_ = [
    './clip_8192_imagenet_ddp.py', '../_base_/models/cluster_kmeans.py',
    '../_base_/schedules/cluster_kmeans.py',
]  # fmt: skip
optimizers = dict(generator=None)
