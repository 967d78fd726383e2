"""Extraction: walks a data set once and only looks at it through an extractor."""

from vq.models.extractors import Extractor, Features
from vq.registry import RUNNERS
from vq.runners.validator import Validator
from vq.types import Batch


@RUNNERS.register_module()
class Extraction(Validator):
    """Shows every image of a data set to its model, a feature extractor.

    Either half of a config may be one: training images too come once, in order, and as
    the config's transforms make them. What becomes of the features is up to callbacks;
    blocks that they have done before are not walked again.
    """

    measures = False
    model: Extractor

    def step(self, batch: Batch) -> Features:  # type: ignore[override]
        """Return the features of a batch."""
        features: Features = self.model(batch.original_image)
        return features
