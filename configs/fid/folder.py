"""Any two folders of images, 256 px; options `train_root` and `val_root`.

auto_torchrun -m vq.fid folder --name N --config-options val_root::DIR train_root::DIR
"""

_base_ = [
    '../_base_/datasets/folder.py', '../_base_/augment/none.py',
    '../_base_/strategies/ddp.py', '../_base_/fid.py',
]  # fmt: skip
