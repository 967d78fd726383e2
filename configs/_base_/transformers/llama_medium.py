"""Llama of 343 million parameters."""

_base_ = ['./llama_B.py']

model = dict(transformer=dict(dim=1024, depth=24, heads=16, mlp_dim=2816))
