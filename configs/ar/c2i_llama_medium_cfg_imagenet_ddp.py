"""The same, trained for guidance and guided.

auto_torchrun -m vq.train NAME configs/ar/c2i_llama_medium_cfg_imagenet_ddp.py
    --config-options ir_config::CONFIG ir_state_dict::MODEL [tokens::FOLDER]
"""

_base_ = ['./c2i_llama_medium_imagenet_ddp.py', '../_base_/guided.py']
