"""A transformer of 633 M parameters as pixel decoder; stands behind a VQGAN."""

_base_ = ['./vqkd.py']
model = dict(decoder=dict(width=1280, depth=32, heads=16))
