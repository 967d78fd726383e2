"""MoVQGAN with 270 M parameters: twice the width; not yet trained.

auto_torchrun -m vq.train NAME configs/movqgan/270M.py --config-options train_csv::X
"""

_base_ = ['./67M.py']
model = dict(tokenizer=dict(encoder=dict(width=256)), decoder=dict(width=256))
