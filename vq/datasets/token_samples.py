"""Stored tokens as samples: what trains a model of tokens without any encoder."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vq.datasets.base import ImageDataset
from vq.datasets.token_origin import TokenOrigin
from vq.datasets.tokens import TokenDataset
from vq.registry import DATASETS


class TokenSamples(ImageDataset):
    """Images of which there are tokens alone, of one crop or several.

    A sample's `original_image` is empty, uint8, (3, 0, 0). Which crop it has follows
    from seed, epoch and index.

    Args:
        origin: What made the tokens.
        crops: Number of crops of each image.
        crop: Which of them, for validation; None draws one, for training.

    Raises:
        ValueError: There is no such crop.
    """

    def __init__(self, *, origin: TokenOrigin, crops: int, crop: int | None) -> None:
        super().__init__(transforms=())
        if crop is not None and not 0 <= crop < crops:
            raise ValueError(
                f'crop must be None or in [0, {crops}), the crops that {origin.root} '
                f'has of each image, got {crop}'
            )
        self.token_origins = [origin]
        self.crops = crops
        self.crop = crop

    @abstractmethod
    def stored(self, index: int) -> NDArray[np.integer[Any]]:
        """Return all tokens of image `index`, (crops, h, w) or (crops, h, w, g)."""

    def tokens(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return the tokens of a crop of image `index`: int64, (h, w) or (h, w, g)."""
        crop = rng.integers(self.crops) if self.crop is None else self.crop
        return torch.from_numpy(self.stored(index)[crop].astype(np.int64))

    def read(self, index: int) -> Tensor:
        """Return no picture: uint8, (3, 0, 0)."""
        return torch.empty(3, 0, 0, dtype=torch.uint8)


@DATASETS.register_module()
class TokenSampleDataset(TokenSamples):
    """The images of a token store, as `vq.test --tokenize` and its kin write it.

    Args:
        root: The store; relative ones lie below the repository.
        crop: Which crop of each image, for validation; None draws one, for training.
        transforms: Configs of the transforms of the images that stand in, in a dry run,
            for a store that is not there.

    Raises:
        MissingDataError: There is no store, or shards are missing.
        ValueError: The store has no such crop.
    """

    def __init__(
        self,
        *,
        root: str,
        crop: int | None = None,
        transforms: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._store = TokenDataset(root)
        meta = self._store.meta
        super().__init__(
            origin=TokenOrigin.of(self._store.root, meta), crops=meta.crops, crop=crop
        )
        self.description = f'tokens of {meta.dataset}'
        self.transform_configs = meta.transforms  # they made the tokenizer's input

    def __len__(self) -> int:
        return len(self._store)

    def stored(self, index: int) -> NDArray[np.integer[Any]]:
        """Return all tokens of image `index`, (crops, h, w) or (crops, h, w, g)."""
        values = self._store.row(index)[0]
        return values if self.crops > 1 else values[None]

    def id(self, index: int) -> str:
        """Return the name of image `index`."""
        return self._store.row(index)[2]

    def category(self, index: int) -> int:
        """Return the class index of image `index`."""
        return self._store.row(index)[1]
