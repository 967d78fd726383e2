"""Llama of 1400 million parameters."""

_base_ = ['./llama_B.py']

model = dict(transformer=dict(dim=1536, depth=48, heads=24, mlp_dim=4096))
