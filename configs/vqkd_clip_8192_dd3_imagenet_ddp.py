"""The short name of `decoder/vqkd_clip_8192_dd3_imagenet_ddp.py`."""

_base_ = ['./decoder/vqkd_clip_8192_dd3_imagenet_ddp.py']
