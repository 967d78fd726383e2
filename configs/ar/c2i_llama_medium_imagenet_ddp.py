"""Class-conditional Llama, medium, over the tokens of any tokenizer, on ImageNet.

auto_torchrun -m vq.train NAME configs/ar/c2i_llama_medium_imagenet_ddp.py
    --config-options ir_config::CONFIG ir_state_dict::MODEL [tokens::FOLDER]
"""

_base_ = [
    '../_base_/transformers/llama_medium.py', '../_base_/datasets/imagenet.py',
    '../_base_/augment/weak.py', '../_base_/schedules/ar.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_proposal.py',
    '../_base_/proposal.py',
]  # fmt: skip
model = dict(sampling=dict(top_k=600, top_p=0.92))
