"""VQ-KD of OpenCLIP ViT-L/14, 8,192 codes, on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/vqkd/openclip_L_14_8192_imagenet_ddp.py
"""

_base_ = [
    '../_base_/models/vqkd.py', '../_base_/teachers/openclip_L_14.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/default_224.py',
    '../_base_/schedules/vqkd.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime_features.py',
]  # fmt: skip
