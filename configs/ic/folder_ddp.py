"""Linear probe on two folders of classes; options `train_root`, `val_root`, `classes`.

auto_torchrun -m vq.train N configs/ic/folder_ddp.py --config-options it_config::PATH \
train_root::DIR val_root::DIR classes:10
"""

_base_ = [
    '../_base_/models/probe.py', '../_base_/datasets/folder.py',
    '../_base_/augment/strong.py', '../_base_/schedules/probe.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_probe.py',
]  # fmt: skip
model = dict(classes='{{$classes}}')
