"""Llama of 775 million parameters."""

_base_ = ['./llama_B.py']

model = dict(transformer=dict(dim=1280, depth=36, heads=20, mlp_dim=3584))
