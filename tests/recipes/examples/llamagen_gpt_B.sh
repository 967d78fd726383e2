torchrun --nproc_per_node=8 autoregressive/train/train_c2i.py --cloud-save-path /save \
--code-path /codes --gpt-model GPT-B --image-size 256 --epochs 300 --global-batch-size 256 --ema
