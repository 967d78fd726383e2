"""VQ-KD: ViT-B, 8192 codes of 32 channels on a sphere (https://arxiv.org/abs/2208.06366).

A fragment of teachers/ beside it says whom it learns from, and `decoder.out_dim`.
"""

model = dict(
    type='VQKD',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='ViTEncoder'),
        post_encode=dict(type='Identity'),
        quantizer=dict(type='NormEMAQuantizer', codebook_size=8192, dim=32),
    ),
    decoder=dict(type='ViTDecoder'),
)
