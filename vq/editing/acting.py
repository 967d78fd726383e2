"""From a command line to an action: `ACTIONS` by the words of `vq.edit`."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vq import dry_run
from vq.datasets.base import ImageDataset
from vq.datasets.transforms import Transform
from vq.editing import between, drawing, looking, masking, painting, priors
from vq.editing.codes import parse_change, parse_code
from vq.editing.editor import Editor, Picture
from vq.editing.result import Edited
from vq.generation.regions import Box
from vq.models.proposal import ProposalNetwork

_logger = logging.getLogger(__name__)
BLANK = 1024  # pixels of a picture that tells the size behind the transforms


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an action works with.

    Attributes:
        args: The parsed arguments, see `vq.cli.edit`.
        editor: Runs the model.
        pictures: Those that were named.
        source: The picture to paint with, if one was named.
        store: A data set that has tokens, if one was named.
        transforms: What is done to pictures before they are tokenized.
    """

    args: argparse.Namespace
    editor: Editor
    pictures: Sequence[Picture] = ()
    source: Picture | None = None
    store: ImageDataset | None = None
    transforms: Sequence[Transform] = ()

    @property
    def number(self) -> int:
        """How many pictures are drawn."""
        number: int = self.args.number
        if number < 1:
            raise ValueError(f'--number must be at least 1, got {number}')
        return min(number, dry_run.SAMPLES) if dry_run.enabled() else number

    @property
    def boxes(self) -> list[Box]:
        """The regions that were named."""
        return [Box(*box) for box in self.args.box or ()]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the tokens that are drawn."""
        if self.args.grid:
            rows, columns = self.args.grid
            if min(rows, columns) < 1:
                raise ValueError(f'--grid must be 1 1 or more, got {rows} {columns}')
            return rows, columns
        if isinstance(self.editor.model, ProposalNetwork):
            return self.editor.model.token_grid
        if self.store is not None and self.store.token_origins:
            return self.store.token_origins[0].grid
        if self.pictures:
            return self.pictures[0].grid
        return self._of_the_config()

    def _of_the_config(self) -> tuple[int, int]:
        """Return the grid of a picture behind the transforms of validation."""
        blank = torch.full((3, BLANK, BLANK), 128, dtype=torch.uint8)
        for transform in self.transforms:
            blank = transform(blank, np.random.default_rng(0))
        if max(blank.shape[1:]) == BLANK:
            raise ValueError(
                'how many tokens are to be drawn? The validation pictures of the '
                'config have no size of their own: give --grid ROWS COLUMNS'
            )
        return self.editor.look('blank', blank).grid


def random(desk: Desk) -> Edited:
    """Draw each code from all."""
    return drawing.drawn(
        desk.editor,
        _uniform(desk),
        title=f'uniformly random codes, seed {desk.args.seed}',
        settings=dict(seed=desk.args.seed),
    )


def prior(desk: Desk) -> Edited:
    """Draw by the transformer, or codes by their frequencies."""
    args, editor = desk.args, desk.editor
    classes: Sequence[int] = ()
    if isinstance(editor.model, ProposalNetwork):
        classes = args.classes or range(editor.model.classes)
        tokens = _by_transformer(desk, classes)
        title = 'drawn by the transformer'
    else:
        tokens = _frequent(desk)
        where = 'at its place' if args.per_position else 'anywhere'
        title = f'codes drawn as often as they occur {where}'
    return drawing.drawn(
        editor,
        tokens,
        title=f'{title}, seed {args.seed}',
        settings=dict(seed=args.seed, per_position=args.per_position),
        classes=classes,
    )


def _by_transformer(desk: Desk, classes: Sequence[int]) -> Tensor:
    """Draw by a proposal network, which leaves nothing else to say."""
    args = desk.args
    if desk.store is not None or desk.pictures or args.grid or args.per_position:
        raise ValueError(
            'the transformer of a proposal network draws what it has learned, of its '
            'own grid: leave --tokens, pictures, --grid and --per-position out, or '
            "give the tokenizer's config"
        )
    numbers, seed = range(desk.number), args.seed
    return drawing.sampled(desk.editor, numbers, classes=classes, seed=seed)


def _frequent(desk: Desk) -> Tensor:
    """Draw codes by their frequencies in a store, or in pictures."""
    store, pictures = desk.store, desk.pictures

    def of_store(index: int, rng: np.random.Generator) -> Tensor:
        assert store is not None
        tokens = store.tokens(index, rng)
        assert tokens is not None
        return tokens

    def of_picture(index: int, rng: np.random.Generator) -> Tensor:
        return pictures[index].tokens

    if desk.args.classes:
        raise ValueError(
            '--classes are for the transformer of a proposal network: frequencies '
            'know none'
        )
    if (store is None) == (not pictures):
        raise ValueError(
            'whose frequencies? Give either --tokens DIR, a token store, or pictures'
        )
    if store is not None and not store.token_origins:
        _logger.warning('dry run: without a token store all codes are as frequent')
        return _uniform(desk)
    return priors.frequent(
        of_store if store is not None else of_picture,
        len(store if store is not None else pictures),
        desk.number,
        grid=desk.grid,
        seed=desk.args.seed,
        per_position=desk.args.per_position,
    )


def _uniform(desk: Desk) -> Tensor:
    return priors.uniform(
        desk.number,
        grid=desk.grid,
        token_sizes=desk.editor.token_sizes,
        seed=desk.args.seed,
    )


def interpolate(desk: Desk) -> Edited:
    """Go from one picture to another."""
    start, end = desk.pictures
    return between.interpolate(
        desk.editor,
        start,
        end,
        steps=desk.args.steps,
        order=desk.args.order,
        seed=desk.args.seed,
        unquantized=desk.args.unquantized,
    )


def swap(desk: Desk) -> Edited:
    """Exchange regions of two pictures."""
    start, end = desk.pictures
    return painting.swap(desk.editor, start, end, boxes=desk.boxes)


def paint(desk: Desk) -> Edited:
    """Paint regions."""
    sizes = desk.editor.token_sizes
    return painting.paint(
        desk.editor,
        desk.pictures,
        boxes=desk.boxes,
        codes=[parse_code(code, sizes) for code in desk.args.token or ()],
        source=desk.source,
    )


def replace(desk: Desk) -> Edited:
    """Replace codes."""
    sizes = desk.editor.token_sizes
    changes = [parse_change(change, sizes) for change in desk.args.codes]
    return painting.exchange(desk.editor, desk.pictures, changes=changes)


def mask(desk: Desk) -> Edited:
    """Lose tokens and fill their places."""
    args = desk.args
    return masking.mask(
        desk.editor,
        desk.pictures,
        shares=args.share or (),
        boxes=desk.boxes,
        order=args.order,
        fill=masking.Fill(kind=args.fill, classes=args.classes or (), seed=args.seed),
    )


def codes(desk: Desk) -> Edited:
    """Count codes."""
    return looking.codes(desk.editor, desk.pictures, top=desk.args.top)


ACTIONS: Mapping[str, Callable[[Desk], Edited]] = dict(
    random=random,
    prior=prior,
    interpolate=interpolate,
    swap=swap,
    paint=paint,
    replace=replace,
    mask=mask,
    codes=codes,
)
