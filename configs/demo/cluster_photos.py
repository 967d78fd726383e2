"""K-means of the principal components of patches, on photographs; `make demo-kd`.

auto_torchrun -m vq.train demo/kd/cluster configs/demo/cluster_photos.py
"""

_base_ = [
    '../_base_/models/cluster_kmeans.py', '../_base_/datasets/photos.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_features.py',
    '../_base_/schedules/photos.py',
]  # fmt: skip
_teacher = dict(_from_='configs/demo/vqkd_photos.py', _at_='.model.teacher')
_quantizer = dict(codebook_size=1024, dim=17)
model = dict(tokenizer=dict(encoder=dict(teacher=_teacher), quantizer=_quantizer))
iters = 300
optimizers = dict(generator=None)
schedulers = dict(generator=None)
