"""The short name of `clip_8192_imagenet_ddp.py`."""

_base_ = ['./clip_8192_imagenet_ddp.py']
