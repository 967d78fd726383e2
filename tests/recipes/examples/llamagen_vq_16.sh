#!/bin/bash
set -x

torchrun --nnodes=1 --nproc_per_node=8 --master_port=12345 \
tokenizer/tokenizer_image/vq_train.py --cloud-save-path /save --data-path /imagenet/train \
--vq-model VQ-16 --image-size 256 --codebook-size 16384 --codebook-embed-dim 8 "$@"
