"""What an action made, and how it is written."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vq.checkpoints import write_json
from vq.editing.sheet import Row, save_gif, save_sheet

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Edited:
    """What an action made.

    Attributes:
        rows: The sheet.
        frames: Sheets that follow each other; none make no GIF.
        tokens: Tokens by the names of their files.
        record: What was done, for the record.
    """

    rows: Sequence[Row]
    frames: Sequence[Sequence[Row]] = ()
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


def write(
    edited: Edited, action: str, folder: Path, settings: Mapping[str, Any]
) -> None:
    """Write ACTION.png, ACTION.gif, tokens and ACTION.json, and say where they are.

    Args:
        edited: What was made.
        action: Which action made it; the files' names begin with it.
        folder: Where they go.
        settings: What the record says beside what was done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f'{action}.png']
    save_sheet(edited.rows, files[0])
    if len(edited.frames) > 1:
        files.append(folder / f'{action}.gif')
        save_gif(edited.frames, files[-1])
    for name, tokens in edited.tokens.items():
        files.append(folder / f'{action}_{name}.npy')
        np.save(files[-1], tokens.numpy())
    record = dict(action=action, **settings, **edited.record)
    record['files'] = [path.name for path in files]
    files.append(folder / f'{action}.json')
    write_json(files[-1], record)
    for path in files:
        _logger.info('written: %s', path)
