"""EMA-VQ with 1,024 codes of 256 channels on clips of videos; not yet trained.

auto_torchrun -m vq.train NAME configs/emavq/1024_clips_ddp.py
"""

_base_ = [
    '../_base_/models/vqgan_clips.py', '../_base_/quantizers/ema.py',
    '../_base_/datasets/clips.py',
    '../_base_/augment/none.py', '../_base_/strategies/ddp.py',
    '../_base_/runtime.py', '../_base_/schedules/clips.py',
    '../_base_/aliases/taming.py',
]  # fmt: skip
_sizes = dict(codebook_size=1024, dim=256)
model = dict(
    tokenizer=dict(post_encode=dict(out_dim=256), quantizer=_sizes),
    pre_decode=dict(in_dim=256),
)
