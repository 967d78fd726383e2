"""Plain VQ with the rotation trick and 1,024 codes on photographs.

auto_torchrun -m vq.train rotation/1024_photos configs/rotation/1024_photos.py
"""

_base_ = ['../vqvae/1024_photos.py', '../_base_/quantizers/rotation.py']
