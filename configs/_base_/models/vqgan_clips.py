"""VQGAN for frames of videos: 1,024 codes.

The discriminator begins after 10,000 iterations, and learns at every third.
"""

_base_ = ['./vqgan.py']

model = dict(
    tokenizer=dict(quantizer=dict(codebook_size=1024)),
    discriminator_start=10_000,
    discriminator_every=3,
)
