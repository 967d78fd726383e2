"""LlamaGen's GPT-XXL on ImageNet at 384 px: 24x24 tokens.

auto_torchrun -m vq.train NAME configs/llamagen/c2i_XXL_384_imagenet_fsdp.py
    --config-options ir_state_dict::MODEL tokens::FOLDER
"""

_base_ = ['./c2i_XXL_imagenet_fsdp.py', '../_base_/augment/weak_384.py']
model = dict(transformer=dict(grid=(24, 24)))
