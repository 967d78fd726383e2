"""LlamaGen's GPT-XL on ImageNet at 384 px: 24x24 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/c2i_XL_384_imagenet_ddp.py
    --config-options ir_state_dict::MODEL tokens::FOLDER
"""

_base_ = ['./c2i_XL_imagenet_ddp.py', '../_base_/augment/weak_384.py']
model = dict(transformer=dict(grid=(24, 24)))
