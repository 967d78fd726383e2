"""Training for guidance: one class in ten is hidden; samples are guided a little."""

model = dict(class_dropout=0.1, sampling=dict(cfg=1.75))
