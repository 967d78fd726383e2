"""Linear probe on ImageNet.

auto_torchrun -m vq.train N configs/ic/imagenet_ddp.py --config-options it_config::PATH
"""

_base_ = [
    '../_base_/models/probe.py', '../_base_/datasets/imagenet.py',
    '../_base_/augment/strong.py', '../_base_/schedules/probe.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_probe.py',
]  # fmt: skip
