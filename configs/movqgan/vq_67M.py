"""MoVQGAN 67M with the standard decoder, whose normalisations know no latent.

auto_torchrun -m vq.train NAME configs/movqgan/vq_67M.py --config-options train_csv::X
"""

_base_ = ['./67M.py']
model = dict(
    pre_decode=dict(_delete_=True, type='Connector', in_dim=4, out_dim=4),
    decoder=dict(
        _delete_=True, type='ConvDecoder', width_mults=(4, 2, 2, 1), latent_dim=4
    ),
)
optimizers = dict(generator=dict(params=['tokenizer', 'pre_decode', 'decoder']))
