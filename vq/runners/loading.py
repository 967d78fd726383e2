"""Weights into a model, strictly: what they lack is said before anything runs."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from vq import checkpoints

_logger = logging.getLogger(__name__)
Load = Callable[[nn.Module, Mapping[str, Tensor]], None]


def gather(
    model: nn.Module,
    paths: Sequence[Path],
    *,
    strict: bool,
    ema: bool = False,
    parts: Collection[str] = (),
) -> checkpoints.Gathered:
    """Return what weight files and checkpoint folders hold for a model.

    Args:
        model: The model.
        paths: The files and folders; where two hold a key, the later wins.
        strict: Refuse when a frozen part that is used has no weights among them.
        ema: Take the averaged weights of checkpoints.
        parts: Names of the only parts of the model that are used; none means all.

    Raises:
        CheckpointError: A file is damaged or has moved; or, `strict`, see there.
    """
    # One file may be a whole model; of several, each frozen part has its own.
    frozen = checkpoints.frozen_parts(model)
    found = checkpoints.gather(paths, ema=ema, frozen=frozen if len(paths) > 1 else ())
    state = model.state_dict()
    for name in frozen if strict else ():
        used = not parts or checkpoints.within(f'{name}.', parts)
        wanted = checkpoints.only(state, [name])
        if used and wanted and not checkpoints.only(found.weights, [name]):
            raise checkpoints.CheckpointError(
                f'{", ".join(map(str, paths))}: the frozen {name} is in none of '
                'them, and no checkpoint among them names its file; pass '
                '--load-model-from with that file too'
            )
    return found


def take(
    model: nn.Module,
    found: checkpoints.Gathered,
    paths: Sequence[Path],
    *,
    strict: bool,
    parts: Collection[str] = (),
    load: Load,
) -> dict[str, Tensor]:
    """Load weights that were read from `paths`, log a report; return those that fit.

    Args:
        model: The model.
        found: The weights.
        paths: Where they were found, for the report.
        strict: Refuse when something is missing, or a frozen part is another one than
            that of the checkpoint.
        parts: Names of the only parts of the model that are used; none means all.
        load: Puts weights that fit into the model.

    Raises:
        CheckpointError: Nothing fits; or, `strict`, see there.
    """
    names = ', '.join(str(path) for path in paths)
    try:
        report, fitting = checkpoints.match(
            model, found.weights, strict=strict, parts=parts
        )
    except checkpoints.CheckpointError as error:
        raise checkpoints.CheckpointError(f'{names}: {error}') from None
    load(model, fitting)
    missing: Sequence[str] = report.missing
    frozen = checkpoints.frozen_parts(model)
    if frozen and len(checkpoints.only(found.weights, frozen)) == report.loaded:
        # All that is not frozen is what this run will train.
        missing = [*checkpoints.only(dict.fromkeys(missing), frozen)]
    level = logging.WARNING if missing or report.mismatched else logging.INFO
    _logger.log(level, '%s: %s', names, report)
    try:
        state = model.state_dict()
        if parts:
            state = checkpoints.only(state, parts)
        checkpoints.check_parts(state, found.frozen)
    except checkpoints.CheckpointError as error:
        if strict:
            raise
        _logger.warning('%s', error)
    return fitting
