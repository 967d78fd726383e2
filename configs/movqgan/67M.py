"""MoVQGAN with 67 M parameters, on images that a table names; not yet trained.

auto_torchrun -m vq.train NAME configs/movqgan/67M.py --config-options train_csv::X
"""

_base_ = [
    '../_base_/models/movqgan.py', '../_base_/datasets/csv.py',
    '../_base_/augment/none.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py', '../_base_/schedules/movqgan.py',
    '../_base_/aliases/movqgan.py',
]  # fmt: skip
