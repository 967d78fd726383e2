"""CelebA-HQ, faces, 256 px.

auto_torchrun -m vq.fid celeba_hq
"""

_base_ = [
    '../_base_/datasets/celeba_hq.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
