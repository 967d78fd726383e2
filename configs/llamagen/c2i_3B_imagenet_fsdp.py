"""LlamaGen's GPT-3B on ImageNet, guided.

auto_torchrun -m vq.train NAME configs/llamagen/c2i_3B_imagenet_fsdp.py
    --config-options ir_state_dict::MODEL tokens::FOLDER
"""

_base_ = [
    '../_base_/transformers/llama_3B.py', '../_base_/transformers/llamagen.py',
    '../_base_/datasets/imagenet.py', '../_base_/augment/weak.py',
    '../_base_/schedules/llamagen_c2i.py', '../_base_/strategies/fsdp.py',
    '../_base_/runtime_proposal.py', '../_base_/proposal.py', '../_base_/guided.py',
]  # fmt: skip
