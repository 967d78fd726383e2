"""SATIN, satellite and aerial pictures, 256 px.

auto_torchrun -m vq.fid satin
"""

_base_ = [
    '../_base_/datasets/satin.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
