"""Tokenizer: walks a data set once and only tokenizes it."""

from vq.registry import RUNNERS
from vq.runners.validator import Validator
from vq.types import Batch, Quantized


@RUNNERS.register_module()
class Tokenizer(Validator):
    """Runs the tokenizer alone, neither decoder nor metrics.

    Blocks that a token callback has already written are not walked again, so that a run
    which was killed goes on where it stood. It is built as the validator that it stands
    in for; `metrics` are not computed, and weights of a decoder are not asked for.
    """

    measures = False
    parts = ('tokenizer',)

    def step(self, batch: Batch) -> Quantized:
        """Return the quantized latents and tokens of a batch."""
        quantized: Quantized = self.model.tokenizer(batch.image)  # type: ignore[operator]
        return quantized
