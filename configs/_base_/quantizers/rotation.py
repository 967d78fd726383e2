"""The rotation trick instead of the straight-through gradient (https://arxiv.org/abs/2410.06424)."""

model = dict(tokenizer=dict(quantizer=dict(estimator='rotation')))
