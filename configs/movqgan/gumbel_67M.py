"""MoVQGAN 67M with the standard decoder and codes drawn by Gumbel-softmax.

auto_torchrun -m vq.train X configs/movqgan/gumbel_67M.py --config-options train_csv::X
"""

_base_ = ['./vq_67M.py', '../_base_/quantizers/gumbel.py']
_sizes = dict(codebook_size=16384, dim=4, kl_weight=1e-8)
model = dict(
    tokenizer=dict(post_encode=dict(out_dim=4), quantizer=_sizes),
    pre_decode=dict(in_dim=4),
)
train_callbacks = dict(temperature=dict(iters='{{$iters:2_000_000}}'))
