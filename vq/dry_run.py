"""Dry run: the same code path on tiny batches, without data or weights."""

import os

ITERATIONS = 8
BATCH_SIZE = 2  # of all ranks together, but at least one image a rank
SAMPLES = 4  # length of a data set, for each rank


def enabled() -> bool:
    """Tell whether DRY_RUN is set (`--dry-run` sets it): True, 1, yes, on.

    Raises:
        ValueError: DRY_RUN holds none of these nor False, 0, no, off.
    """
    value = os.environ.get('DRY_RUN', '').strip().lower()
    if value in ('', 'false', '0', 'no', 'off'):
        return False
    if value in ('true', '1', 'yes', 'on'):
        return True
    raise ValueError(f'DRY_RUN must be True or False, got {value!r}')


def enable() -> None:
    """Turn the dry run on for this process and its children."""
    os.environ['DRY_RUN'] = 'True'
