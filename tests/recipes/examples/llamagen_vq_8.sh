torchrun tokenizer/tokenizer_image/vq_train.py --cloud-save-path /save --data-path /imagenet/train \
--vq-model VQ-8 --codebook-l2-norm --codebook-weight 1.0 --entropy-loss-ratio 0.1 \
--commit-loss-beta 0.25 --reconstruction-weight 1.0 --reconstruction-loss l1 --perceptual-weight 0.5 \
--disc-weight 0.75 --disc-start 10000 --disc-type stylegan --disc-loss non-saturating \
--gen-loss non-saturating --ema --mixed-precision none --epochs 20 --lr 2e-4 --global-batch-size 64
