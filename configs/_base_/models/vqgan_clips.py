"""VQGAN for frames of videos: 1,024 codes, a discriminator that learns every third time.

It begins after 10,000 iterations.
"""

_base_ = ['./vqgan.py']

model = dict(
    tokenizer=dict(quantizer=dict(codebook_size=1024)),
    discriminator_start=10_000,
    discriminator_every=3,
)
