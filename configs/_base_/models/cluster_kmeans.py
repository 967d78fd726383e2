"""Cluster by mini-batch k-means: 8,192 centres of features, on the unit sphere."""

_base_ = ['./cluster.py']
model = dict(
    tokenizer=dict(
        quantizer=dict(
            _delete_=True,
            type='KMeansQuantizer',
            codebook_size=8192,
            dim=768,
            distance='cosine',
        )
    )
)
