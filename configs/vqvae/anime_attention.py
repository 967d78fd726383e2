"""The VQ-VAE for faces with attention at 16x16; not yet trained.

At 32x32 it would be (-2,) in the encoder and (1,) in the decoder.

auto_torchrun -m vq.train vqvae/anime_attention configs/vqvae/anime_attention.py
"""

_base_ = ['./anime.py']
model = dict(
    tokenizer=dict(encoder=dict(attention=(-1,))), decoder=dict(attention=(0,))
)
