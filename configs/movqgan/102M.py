"""MoVQGAN with 102 M parameters: four residual blocks a level; not yet trained.

auto_torchrun -m vq.train NAME configs/movqgan/102M.py --config-options train_csv::X
"""

_base_ = ['./67M.py']
model = dict(tokenizer=dict(encoder=dict(depth=4)), decoder=dict(depth=5))
