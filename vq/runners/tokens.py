"""Whether the tokens of a data set are those of the model's own tokenizer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vq import dry_run
from vq.checkpoints import state_hash

if TYPE_CHECKING:
    from vq.runners.base import Runner

_logger = logging.getLogger(__name__)


def check_tokens(runner: Runner) -> None:
    """Refuse stored tokens that another tokenizer made; in a dry run, warn.

    To be called when all weights are loaded. Data sets of images are not looked at.

    Raises:
        ValueError: The tokens are of another codebook, grid or tokenizer.
    """
    if not runner.dataset.token_origins:
        return
    model: Any = runner.model
    weights = state_hash(model.tokenizer.state_dict())
    for origin in runner.dataset.token_origins:
        origin.check_sizes(
            token_sizes=model.tokenizer.quantizer.token_sizes,
            grid=getattr(model, 'token_grid', None),
        )
        problem = origin.mismatch(weights)
        if problem is None:
            continue
        if not dry_run.enabled():
            raise ValueError(problem)
        _logger.warning('dry run: %s', problem)
