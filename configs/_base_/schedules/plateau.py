"""The generator's rate is halved where validations find no better L1.

It stands behind a schedule that validates; a warm-up there is gone.
"""

schedulers = dict(
    generator=dict(
        _delete_=True,
        type='ReduceLROnPlateau',
        monitor='val/l1',
        factor=0.5,
        patience=3,
        min_lr=1e-5,
    )
)
