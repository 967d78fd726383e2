"""The VQ-VAE for faces with 2,048 codes; not yet trained.

auto_torchrun -m vq.train vqvae/anime_2048 configs/vqvae/anime_2048.py
"""

_base_ = ['./anime.py']
model = dict(tokenizer=dict(quantizer=dict(codebook_size=2048)))
