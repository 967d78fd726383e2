"""Llama of 3100 million parameters."""

_base_ = ['./llama_B.py']

model = dict(transformer=dict(dim=3200, depth=24, heads=32, mlp_dim=8704))
