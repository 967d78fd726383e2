"""Handwritten digits of the class asked for, out of 8x8 tokens of `vqgan_digits.py`.

auto_torchrun -m vq.train demo/c2i_digits configs/demo/c2i_digits.py
"""

_base_ = [
    '../_base_/transformers/llama_tiny.py', '../_base_/datasets/digits.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_proposal.py',
    '../_base_/proposal_digits.py', '../_base_/schedules/c2i_demo.py',
    '../_base_/guided.py',
]  # fmt: skip
model = dict(sampling=dict(top_p=0.9))
