"""LlamaGen's GPT-L on ImageNet, guided.

auto_torchrun -m vq.train NAME configs/llamagen/c2i_medium_imagenet_ddp.py
    --config-options ir_state_dict::MODEL tokens::FOLDER
"""

_base_ = [
    '../_base_/transformers/llama_medium.py', '../_base_/transformers/llamagen.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/weak.py',
    '../_base_/schedules/llamagen_c2i.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime_proposal.py', '../_base_/proposal.py', '../_base_/guided.py',
]  # fmt: skip
