"""VQGAN with 8,192 codes on SA-Med2D-20M; not yet trained.

auto_torchrun -m vq.train NAME configs/vqgan/8192_sa_med2d_20m_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan.py',
    '../_base_/datasets/sa_med2d_20m.py',
    '../_base_/augment/strong.py',
    '../_base_/schedules/vqgan.py',
    '../_base_/strategies/ddp.py',
    '../_base_/runtime.py',
]
model = dict(tokenizer=dict(quantizer=dict(codebook_size=8192)))
