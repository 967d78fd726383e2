"""FFHQ, faces, 256 px.

auto_torchrun -m vq.fid ffhq
"""

_base_ = [
    '../_base_/datasets/ffhq.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
