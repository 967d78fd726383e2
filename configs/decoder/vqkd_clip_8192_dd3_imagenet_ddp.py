"""A pixel decoder for VQ-KD of CLIP, against a discriminator of depth 3.

auto_torchrun -m vq.train NAME configs/decoder/vqkd_clip_8192_dd3_imagenet_ddp.py \
--load-model-from work_dirs/vqkd/clip_8192_imagenet_ddp/checkpoints/latest/model.pth
"""

_base_ = ['../vqgan/8192_imagenet_ddp.py']
_tokenizer = dict(
    _from_='configs/vqkd/clip_8192_imagenet_ddp.py', _at_='.validator.model.tokenizer'
)
model = dict(tokenizer=_tokenizer, pre_decode=dict(in_dim=None), frozen=['tokenizer'])
optimizers = dict(generator=dict(params=['pre_decode', 'decoder']))
train_callbacks = dict(codebook=None)
