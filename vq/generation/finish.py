"""What is made of a whole folder of samples, by one rank: the sheet and the .npz."""

import logging
from pathlib import Path

from vq import distributed
from vq.generation import pictures
from vq.generation.draws import Plan
from vq.generation.npz import write_npz
from vq.generation.sheet import write_sheet

_logger = logging.getLogger(__name__)


def finish(plan: Plan, folder: Path, *, npz: bool) -> None:
    """Write FOLDER.png and, if wanted or there already, FOLDER.npz; any rank may call.

    Args:
        plan: What the folder holds; all of it is there.
        folder: Where it lies.
        npz: Whether the .npz is wanted.
    """
    if not distributed.is_main():
        return
    sheet = folder.with_name(f'{folder.name}.png')
    write_sheet(sheet, folder, plan.names)
    _logger.info('sheet: %s', sheet)
    samples = folder.with_name(f'{folder.name}.npz')
    if npz or samples.is_file():  # which may be of fewer images
        files = [pictures.path_of(folder, draw.name) for draw in plan.draws]
        write_npz(samples, files, [draw.category for draw in plan.draws])
        _logger.info('%d images for evaluation: %s', len(files), samples)
