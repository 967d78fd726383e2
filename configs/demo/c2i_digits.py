"""Digits of the class asked for: a support vector machine reads 97 % of 1,000 as it.

Out of the tokens of `vqgan_digits.py` that `make demo` writes; none of the digits is a
copy of one that it was trained on.

auto_torchrun -m vq.train demo/c2i_digits configs/demo/c2i_digits.py
"""

_base_ = [
    '../_base_/transformers/llama_tiny.py', '../_base_/datasets/digits.py',
    '../_base_/strategies/ddp.py', '../_base_/runtime_proposal.py',
    '../_base_/proposal_digits.py', '../_base_/schedules/c2i_demo.py',
    '../_base_/guided.py',
]  # fmt: skip
model = dict(sampling=dict(cfg=2.0, top_p=0.9))
