"""LAION-Aesthetics, web pictures that please a model (arxiv.org/abs/2210.08402).

The sub-set is that of scores of 6.5 and more, of which 542,247 could be downloaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vq import paths
from vq.datasets.base import OnError
from vq.datasets.listed import ListedDataset, Source
from vq.datasets.splits import Split, check_split, tail_split
from vq.registry import DATASETS

SUBSET = 'v2_6.5plus'
COLUMNS = 4  # filename, caption, score, url; the caption may hold tabs of its own
LAION_AESTHETICS = Source(
    'LAION-Aesthetics',
    f'{SUBSET}/*.jpg and annotations/{SUBSET}.tsv (filename, caption, score, url)',
    'https://laion.ai/blog/laion-aesthetics/',
)


@DATASETS.register_module()
class LAIONAestheticsDataset(ListedDataset):
    """LAION-Aesthetics; category 0, ids are file names.

    Args:
        split: 'val' is the last `val_size` lines of the list, the last one first;
            'train' the lines before, in order.
        data_root: The folder of pictures and annotations.
        val_size: Length of 'val'.
        transforms: Configs of the transforms, in order.
        on_error: See `ImageDataset`. Some pictures of the web are broken.

    Raises:
        MissingDataError: Pictures or list are not there.
        ValueError: A line of the list has too few columns, or there are too few lines.
    """

    def __init__(
        self,
        *,
        split: Split,
        data_root: str = 'data/laion/aesthetics',
        val_size: int = 25_000,
        transforms: Sequence[Mapping[str, Any]] = (),
        on_error: OnError = 'raise',
    ) -> None:
        check_split(split)
        self.split = split
        root = paths.resolve(data_root)
        images = LAION_AESTHETICS.require_folder(root / SUBSET)
        table = LAION_AESTHETICS.require_file(root / 'annotations' / f'{SUBSET}.tsv')
        super().__init__(
            root=images,
            ids=tail_split(file_names(table), split, val_size=val_size),
            description=f'{data_root}/{SUBSET} {split}',
            source=LAION_AESTHETICS,
            transforms=transforms,
            on_error=on_error,
        )


def file_names(table: Path) -> Iterator[str]:
    """Yield the first column of the list, read line by line; a header is left out.

    Raises:
        ValueError: A line has too few columns; it is named.
    """
    # Only '\n' ends a line: captions may hold whatever else Python takes for an end.
    with table.open(encoding='utf-8', errors='surrogateescape', newline='\n') as lines:
        for number, line in enumerate(lines, start=1):
            if line.count('\t') < COLUMNS - 1:
                raise ValueError(
                    f'{table}, line {number}: filename, caption, score and url, '
                    f'separated by tabs, are expected, got {line[:80]!r}'
                )
            name = line.split('\t', 1)[0]
            if number > 1 or name != 'filename':
                yield name
