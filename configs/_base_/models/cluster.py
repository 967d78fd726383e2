"""Cluster: 8,192 codes for a teacher's features, by angle (https://arxiv.org/abs/2411.04406).

An experiment says whose features: `tokenizer.encoder.teacher`.
"""

model = dict(
    type='Cluster',
    tokenizer=dict(
        type='ImageTokenizer',
        encoder=dict(type='TeacherEncoder'),
        post_encode=dict(type='Identity'),
        quantizer=dict(
            type='CVQuantizer', codebook_size=8192, dim=768, commitment_weight=0.0
        ),
    ),
)
val_metrics = dict(inertia=dict(type='InertiaMetric'))
