"""FSQ with 64,000 codes on ImageNet; not yet trained.

auto_torchrun -m vq.train NAME configs/fsq/64000_imagenet_ddp.py
"""

_base_ = ['./8000_imagenet_ddp.py']
model = dict(
    tokenizer=dict(
        post_encode=dict(out_dim=6), quantizer=dict(levels=(8, 8, 8, 5, 5, 5))
    ),
    pre_decode=dict(in_dim=6),
)
