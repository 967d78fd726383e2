"""A pixel decoder for any tokenizer, trained LlamaGen's way: see the page beside it.

auto_torchrun -m vq.train NAME configs/decoder/llamagen.py --config-options it_config::X
"""

it_config = '{{$it_config}}'
_ir_config = '{{$ir_config:configs/llamagen/vqgan_imagenet_ddp.py}}'
_base_ = [
    _ir_config, '../_base_/decoders/{{$decoder:conv}}.py', '../_base_/decoder.py',
]  # fmt: skip
train_dataset = dict(
    transforms=dict(_from_=_ir_config, _at_='.trainer.dataset.transforms')
)
val_dataset = dict(
    transforms=dict(_from_=_ir_config, _at_='.validator.dataset.transforms')
)
