"""Sums over some blocks of a data set, kept in files so that a killed run can go on."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from vq import distributed
from vq.checkpoints.files import sync, write_safetensors
from vq.metrics.bank import Bank
from vq.metrics.features import VARIOUS
from vq.metrics.moments import Moments
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import Statistics
from vq.models.extractors import Extractor, Features
from vq.types import Batch

_logger = logging.getLogger(__name__)
FILES = 'rank_*.safetensors'
KEY = 'identity'  # in the header


class Sums:
    """What an extractor has seen so far, added up, with some features as they are.

    Args:
        extractor: The extractor.
        length: Length of the data set.
        features: How many pooled features to keep, spread evenly over the data set.
        device: Where the sums lie.

    Attributes:
        blocks: The blocks of the data set that are in the sums.
        moments: By kind: `pooled` and, where the extractor has it, `spatial`.
        bank: The features that are kept as they are.
        sizes: Heights and widths of the images.
    """

    def __init__(
        self, extractor: Extractor, *, length: int, features: int, device: torch.device
    ) -> None:
        self.blocks: set[int] = set()
        self.sizes: set[tuple[int, ...]] = set()
        dims = dict(pooled=extractor.dim, spatial=extractor.spatial_dim)
        self.moments = {k: Moments(d, device=device) for k, d in dims.items() if d}
        self.bank = Bank(extractor.dim, length=length, number=features)

    @property
    def count(self) -> int:
        """Number of images."""
        return self.moments['pooled'].count

    def update(self, batch: Batch, features: Features) -> None:
        """Add the features of a batch."""
        for kind, moments in self.moments.items():
            moments.update(getattr(features, kind))
        self.sizes.add(tuple(batch.original_image.shape[-2:]))
        if self.bank.number:
            self.bank.update(features.pooled, batch.index)

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything, on the CPU."""
        state = dict(
            blocks=torch.tensor(sorted(self.blocks), dtype=torch.int64),
            sizes=torch.tensor(sorted(self.sizes), dtype=torch.int64),
        )
        for kind, part in self._parts().items():
            for key, value in part.state_dict().items():
                state[f'{kind}/{key}'] = torch.as_tensor(value).cpu()
        return state

    def _parts(self) -> dict[str, Moments | Bank]:
        return dict(self.moments, bank=self.bank)

    def add(self, state: Mapping[str, Tensor]) -> None:
        """Add what `state_dict` returned, of this run or another."""
        self.blocks |= set(state['blocks'].tolist())
        self.sizes |= set(map(tuple, state['sizes'].tolist()))
        for kind, part in self._parts().items():
            named = ((key.partition('/'), value) for key, value in state.items())
            part.add({key: value for (own, _, key), value in named if own == kind})

    def size(self) -> str | None:
        """Return the size of the images of all ranks as protocols write it."""
        sizes = set().union(*distributed.gather(self.sizes))
        if len(sizes) > 1:
            return VARIOUS
        return next(('x'.join(map(str, size)) for size in sizes), None)

    def statistics(self, protocol: Protocol) -> Statistics:
        """Return the statistics over all ranks; every rank must call it.

        Raises:
            ValueError: There are fewer than two images.
        """
        gaussians = {k: moments.gaussian() for k, moments in self.moments.items()}
        features = self.bank.gather()
        return Statistics(
            protocol=protocol,
            pooled=gaussians['pooled'],
            spatial=gaussians.get('spatial'),
            features=features if self.bank.number else None,
        )


class PartialFiles:
    """The sums of finished blocks in a folder: one file a rank, replaced as it grows.

    A file says which blocks it holds. The next run puts the files together, whatever
    its number of ranks, and takes no block twice.

    Args:
        folder: The folder.
        identity: Images, extractor and whatever else the sums depend on, plain values.
    """

    def __init__(self, folder: Path, *, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._identity = json.loads(json.dumps(identity))

    def write(self, sums: Sums) -> None:
        """Replace this rank's file, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._own()
        aside = path.with_name(f'.{path.name}.new')
        write_safetensors(aside, sums.state_dict(), **{KEY: json.dumps(self._identity)})
        sync(aside)
        aside.replace(path)

    def restore(self, sums: Sums, *, force: bool) -> None:
        """Add what earlier runs left to the sums, which this rank then answers for.

        Args:
            sums: The sums.
            force: Delete what does not fit, with a warning.

        Raises:
            ValueError: The files hold sums of something else.
        """
        found = {path: self._read_header(path) for path in self.folder.glob(FILES)}
        whole = {path: header for path, header in found.items() if header is not None}
        for path, (identity, _) in whole.items():
            if problem := self._mismatch(path, identity):
                if not force:
                    raise ValueError(f'{problem}. Delete the folder, or pass --force')
                _logger.warning('%s: deleted', problem)
                self.remove()
                return
        # Largest first. A run that was killed between the two steps below leaves files
        # whose blocks are in that of rank 0 too: they are not taken again.
        for path in sorted(whole, key=lambda path: -len(whole[path][1])):
            if sums.blocks.isdisjoint(whole[path][1]):
                sums.add(load_file(path))
        if sums.blocks:
            self.write(sums)
        for path in found.keys() - {self._own()}:
            path.unlink()

    def _own(self) -> Path:
        return self.folder / FILES.replace('*', f'{distributed.rank():04d}')

    def _read_header(self, path: Path) -> tuple[dict[str, Any], list[int]] | None:
        """Return the identity and the blocks of a file; None where it is damaged."""
        try:
            with safe_open(path, framework='pt') as file:
                identity = json.loads(file.metadata()[KEY])
                return identity, file.get_tensor('blocks').tolist()
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            _logger.warning('%s is damaged and is computed anew: %s', path, error)
            return None

    def _mismatch(self, path: Path, identity: Mapping[str, Any]) -> str:
        keys = dict.fromkeys([*self._identity, *identity])
        differences = [
            f'{key} is {identity.get(key)!r} there and {self._identity.get(key)!r} here'
            for key in keys
            if identity.get(key) != self._identity.get(key)
        ]
        if not differences:
            return ''
        return (
            f'{path.parent} is of an interrupted run that did something else: '
            f'{"; ".join(differences)}'
        )

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
