"""Where metrics get features from: an extractor, run once a batch for all of them."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.images import to_uint8
from vq.models.extractors import Extractor, Features
from vq.registry import MODELS

KINDS = 3  # of pictures that are made of one batch


class FeatureSource:
    """An extractor that several metrics ask for the features of one batch.

    Args:
        extractor: Config of the extractor.
    """

    def __init__(self, extractor: Mapping[str, Any]) -> None:
        self.extractor: Extractor = MODELS.build(extractor)
        self.extractor.load_pretrained()
        self._seen: deque[tuple[Tensor, Features]] = deque(maxlen=KINDS)

    def features(self, image: Tensor) -> Features:
        """Return the features of an image in [-1, 1], as it would be saved: rounded.

        The network runs at the first call with a tensor; the next ones get the same,
        also where metrics of other kinds of pictures ask in between.
        """
        for seen, features in self._seen:
            if seen is image:
                return features
        found: Features = self.extractor.to(image.device)(to_uint8(image))
        self._seen.append((image, found))
        return found

    def forget(self) -> None:
        """Let the batch go."""
        self._seen.clear()
