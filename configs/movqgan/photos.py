"""A narrow MoVQGAN on photographs; minutes on two CPU cores.

auto_torchrun -m vq.train movqgan/photos configs/movqgan/photos.py
"""

_base_ = [
    '../_base_/models/movqgan_photos.py', '../_base_/datasets/photos.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime.py',
    '../_base_/schedules/movqgan_photos.py',
]  # fmt: skip
