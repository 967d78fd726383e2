"""Faces of anime, 256 px: the 2,000 that are for validation.

auto_torchrun -m vq.fid anime
"""

_base_ = [
    '../_base_/datasets/anime.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
