"""VQGAN with 1,024 codes on clips of videos; not yet trained.

auto_torchrun -m vq.train NAME configs/vqgan/1024_clips_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan_clips.py', '../_base_/datasets/clips.py',
    '../_base_/augment/none.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py', '../_base_/schedules/clips.py',
    '../_base_/aliases/taming.py',
]  # fmt: skip
