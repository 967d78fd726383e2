"""VQ-KD of CLIP ViT-B/16, 8,192 codes, on SATIN; not yet trained.

auto_torchrun -m vq.train NAME configs/vqkd/clip_8192_satin_ddp.py
"""

_base_ = [
    '../_base_/models/vqkd.py', '../_base_/teachers/clip.py',
    '../_base_/datasets/satin.py', '../_base_/augment/default_224.py',
    '../_base_/schedules/vqkd.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime_features.py',
]  # fmt: skip
