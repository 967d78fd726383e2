"""A folder with a sheet of patches for each code, and a page that lists them."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vq.datasets.base import ImageDataset
from vq.datasets.tokens import TokenDataset
from vq.patches.counting import CodeCounts, Integers, Tokens, walk
from vq.patches.index import Row, write_index, write_whole
from vq.patches.sheets import Settings, draw, sheet_path
from vq.patches.sources import check_same_data

_logger = logging.getLogger(__name__)
SETTINGS = 'settings.json'


class Gallery:
    """Draws what the codes of a token store stand for.

    The store is walked twice, to count codes and to draw positions; then the images
    that are needed are read, once each and in order; then the sheets are written. A
    sheet that is there is not made again, so that an interrupted run goes on.

    Args:
        store: The tokens.
        dataset: The images that they were made of; its transforms are replaced by
            those that the store names.
        out: Folder of the result.
        settings: What sheets depend on.

    Raises:
        ValueError: Tokens and images do not belong together or are of several crops,
            there is no such sub-token, or the folder holds something else.
    """

    def __init__(
        self,
        store: TokenDataset,
        dataset: ImageDataset,
        *,
        out: Path,
        settings: Settings,
    ) -> None:
        sizes = store.meta.token_sizes
        if settings.sub_token >= len(sizes):
            raise ValueError(
                f'sub_token must be below {len(sizes)}, the number of tokens at a '
                f'position of {store.root}, got {settings.sub_token}'
            )
        if store.meta.crops > 1:
            raise ValueError(
                f'{store.root} holds {store.meta.crops} crops of each image, and '
                'patches are cut from one; tokenize with '
                '`python -m vq.tasks.image_tokenization.tokenize`'
            )
        check_same_data(store, dataset)
        self.store = store
        self.dataset = dataset
        self.out = out
        self.settings = settings
        self.size = sizes[settings.sub_token]  # of the codebook

    def run(
        self,
        *,
        codes: Sequence[int] | None = None,
        most: int,
        num_workers: int,
    ) -> dict[str, float]:
        """Write the sheets that are missing, and the page.

        Args:
            codes: Those to show; None takes all that occur.
            most: How many of these at the most, the most used first.
            num_workers: Processes that read images; 0 reads in this one.

        Returns:
            Statistics of the codebook, and `sheets`, their number.

        Raises:
            ValueError: A code is none of the codebook.
        """
        self._prepare()
        counts = CodeCounts(size=self.size)
        sub_token = self.settings.sub_token
        for _, tokens, _ in walk(self.store, sub_token=sub_token, label='counting'):
            counts.add(tokens)
        wanted = self._wanted(counts, codes, most)
        there = [sheet_path(self.out, code).exists() for code in wanted]
        missing = np.sort(wanted[~np.array(there, bool)])
        if len(missing):
            draw(
                missing,
                store=self.store,
                dataset=self.dataset,
                out=self.out,
                settings=self.settings,
                num_workers=num_workers,
            )
        return self._index(counts)

    def _prepare(self) -> None:
        """Make the folder, or make sure that it is of the same tokens and settings."""
        here = self._description()
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / SETTINGS
        if not path.exists():
            if strange := [p.name for p in self.out.iterdir() if p.name[0] != '.']:
                raise ValueError(
                    f'{self.out} holds other files, such as {strange[0]}; pass another '
                    'folder by --out'
                )
            write_whole(path, json.dumps(here, indent=1))
        there = json.loads(path.read_text('utf-8'))
        names = [n for n in {**there, **here} if there.get(n) != here.get(n)]
        if names:
            found = '; '.join(
                f'{n} was {there.get(n)!r} and is {here.get(n)!r}' for n in names
            )
            raise ValueError(
                f'{self.out} holds other sheets: {found}. Pass another folder by '
                '--out, or delete this one'
            )
        for leftover in self.out.glob('.*.tmp*'):
            leftover.unlink()

    def _description(self) -> dict[str, Any]:
        return self.store.meta.to_json() | dataclasses.asdict(self.settings)

    def _wanted(
        self, counted: CodeCounts, codes: Sequence[int] | None, most: int
    ) -> Tokens:
        """Return the codes to show, the most used first."""
        found, counts = counted.result()
        if codes is not None:
            if beyond := [code for code in codes if not 0 <= code < self.size]:
                raise ValueError(f'codes must be in [0, {self.size}), got {beyond}')
            keep = np.isin(found, np.array(codes, found.dtype))
            found, counts = found[keep], counts[keep]
            if unused := sorted(set(codes) - set(found.tolist())):
                _logger.warning('these codes never occur, and get no sheet: %s', unused)
        if len(found) > most:
            _logger.warning(
                '%d codes are to be shown: the %d most used get a sheet; --most %d '
                'shows all',
                *(len(found), most, len(found)),
            )
        return found[by_use(found, counts)][:most]

    def _index(self, counted: CodeCounts) -> dict[str, float]:
        codes, counts = counted.result()
        statistics = counted.statistics()
        names = [path.stem for path in self.out.glob('*.png')]
        shown = np.array([int(n) for n in names if n.isdecimal()], codes.dtype)
        keep = np.isin(codes, shown)
        codes, counts = codes[keep], counts[keep]
        order = by_use(codes, counts)
        rows = [
            Row(code, count, count / statistics['tokens'], f'{code}.png')
            for code, count in zip(
                codes[order].tolist(), counts[order].tolist(), strict=True
            )
        ]
        write_index(
            self.out,
            title=f'Codes of {self.store.root}',
            statistics=statistics,
            settings=self._description(),
            rows=rows,
        )
        return statistics | {'sheets': len(rows)}


def by_use(codes: Tokens, counts: Integers) -> NDArray[np.intp]:
    """Return the order of codes by use, the most used first."""
    return np.lexsort((codes, -counts))
