"""A VQ-KD for two CPU cores: f4, with the principal components of patches as teacher.

`tools/demo_kd.py` fits the teacher in a second.
"""

_base_ = ['./vqkd.py']

_network = dict(width=64, heads=4, latent_dim=16)
model = dict(
    tokenizer=dict(
        encoder=dict(image_size=32, patch=4, depth=3, **_network),
        quantizer=dict(codebook_size=1024, dim=16),
    ),
    decoder=dict(grid=8, out_dim=17, **_network),
    teacher=dict(
        type='PCATeacher',
        weights='work_dirs/demo/kd/teacher.safetensors',
        patch=4,
        dim=17,
    ),
)
