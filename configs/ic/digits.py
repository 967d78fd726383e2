"""Linear probe on handwritten digits, 32 px.

auto_torchrun -m vq.train N configs/ic/digits.py --config-options it_config::PATH
"""

_base_ = [
    '../_base_/models/probe.py', '../_base_/datasets/digits.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_probe.py',
    '../_base_/schedules/probe_small.py',
]  # fmt: skip
model = dict(classes=10)
