"""Patches on disk between being read, by image, and being drawn, by code."""

import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from vq.patches.choosing import Plan

MARK = 30.0  # seconds between two notes of how far reading is


class Spill:
    """The patches of a plan in one mapped file, and how many images have been read.

    Images come in the order of the data set, and each shows many codes, so that codes
    become complete only at the end; meanwhile the patches lie here, not in memory. A
    run that was killed goes on after what it noted last. To be used in a `with` block.

    Args:
        folder: Of the files; what is there and not of this plan goes.
        plan: Which patches; `Spill.plan_in(folder)` goes on with that one.
        shape: Of a patch, (h, w, 3).

    Raises:
        OSError: The disk has no room for the patches.
    """

    def __init__(self, folder: Path, *, plan: Plan, shape: tuple[int, ...]) -> None:
        self.plan = plan
        self.read = 0
        self._folder = folder
        self._mark = folder / 'read.json'
        self._noted = time.monotonic()
        file = folder / 'patches.npy'
        full = (len(plan.images), *shape)
        if self._mark.exists():
            self.read = json.loads(self._mark.read_text('utf-8'))
            self._patches = open_memmap(file, mode='r+')
            if self._patches.shape == full:
                return
            self.read = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._patches = open_memmap(file, mode='w+', dtype=np.uint8, shape=full)
        with open(file, 'r+b') as opened:
            # A mapped file that the disk has no room for would end the process.
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
        arrays = {name: getattr(plan, name) for name in Plan.__slots__}
        np.savez(folder / 'plan.npz', **arrays)
        self._note()

    @staticmethod
    def plan_in(folder: Path) -> Plan | None:
        """Return the plan of an unfinished spill; None where there is none."""
        if not (folder / 'read.json').exists():  # which is written last
            return None
        with np.load(folder / 'plan.npz') as arrays:
            return Plan(**arrays)

    def write(
        self, rows: NDArray[np.int64], patches: NDArray[np.uint8], *, read: int
    ) -> None:
        """Keep some patches.

        Args:
            rows: Theirs in the plan, (m,).
            patches: (m, h, w, 3).
            read: Images that have been read, with these.
        """
        self._patches[rows] = patches
        self.read = read
        if time.monotonic() - self._noted > MARK:
            self._note()

    def _note(self) -> None:
        self._patches.flush()
        aside = self._mark.with_suffix('.tmp')
        aside.write_text(json.dumps(self.read), 'utf-8')
        aside.rename(self._mark)
        self._noted = time.monotonic()

    def patches(self, number: int) -> NDArray[np.uint8]:
        """Return the patches of code `number` of the plan: (m, h, w, 3)."""
        return np.array(self._patches[self.plan.rows(number)])

    def remove(self) -> None:
        """Delete the files: everything is drawn."""
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._folder.exists():
            self._note()
