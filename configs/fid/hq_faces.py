"""CelebA-HQ and FFHQ together, faces, 256 px.

auto_torchrun -m vq.fid hq_faces
"""

_base_ = [
    '../_base_/datasets/hq_faces.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
