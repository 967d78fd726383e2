"""Where metrics get features from: an extractor, run once a batch for all of them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vq.images import to_uint8
from vq.models.extractors import Extractor, Features
from vq.registry import MODELS


class FeatureSource:
    """An extractor that several metrics ask for the features of one batch.

    Args:
        extractor: Config of the extractor.
    """

    def __init__(self, extractor: Mapping[str, Any]) -> None:
        self.extractor: Extractor = MODELS.build(extractor)
        self.extractor.load_pretrained()
        self._seen: Tensor | None = None
        self._features: Features | None = None

    def features(self, image: Tensor) -> Features:
        """Return the features of an image in [-1, 1], as it would be saved: rounded.

        The network runs at the first call with a tensor; the next ones get the same.
        """
        if self._features is None or self._seen is not image:
            self._features = self.extractor.to(image.device)(to_uint8(image))
            self._seen = image
        return self._features

    def forget(self) -> None:
        """Let the last batch go."""
        self._seen = self._features = None
