"""All frames of videos, 256 px; options `train_root` and `val_root`.

auto_torchrun -m vq.fid clips --name N --config-options val_root::DIR train_root::DIR
"""

_base_ = [
    '../_base_/datasets/clips.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
train_dataset = dict(frames=1)
