"""VQ-KD on photographs, of principal components; `make demo-kd`.

auto_torchrun -m vq.train demo/kd/vqkd configs/demo/vqkd_photos.py
"""

_base_ = [
    '../_base_/models/vqkd_tiny.py', '../_base_/datasets/photos.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_features.py',
    '../_base_/schedules/photos.py', '../_base_/schedules/vqkd_tiny.py',
]  # fmt: skip
