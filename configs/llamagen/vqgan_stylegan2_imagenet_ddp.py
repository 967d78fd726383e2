"""LlamaGen's VQ-16 with StyleGAN2's discriminator on ImageNet.

auto_torchrun -m vq.train f16/sg2 configs/llamagen/vqgan_stylegan2_imagenet_ddp.py
"""

_base_ = ['./vqgan_imagenet_ddp.py']
model = dict(
    discriminator=dict(
        _delete_=True,
        type='StyleGAN2Discriminator',
        image_size='{{$image_size:256}}',
    )
)
