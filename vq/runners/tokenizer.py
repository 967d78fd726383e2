"""Tokenizer: walks a data set once and only tokenizes it."""

from collections.abc import Collection

from vq.callbacks.tokens import TokenCallback
from vq.registry import RUNNERS
from vq.runners.validator import Validator
from vq.types import Batch, Quantized


@RUNNERS.register_module()
class Tokenizer(Validator):
    """Runs the tokenizer alone, neither decoder nor metrics.

    Blocks that a token callback has already written are not walked again, so that a run
    which was killed goes on where it stood. It is built as the validator that it stands
    in for; `metrics` are not computed.
    """

    measures = False

    def step(self, batch: Batch) -> Quantized:
        """Return the quantized latents and tokens of a batch."""
        quantized: Quantized = self.model.tokenizer(batch.image)  # type: ignore[operator]
        return quantized

    def done_blocks(self) -> Collection[int]:
        """Return the blocks whose tokens are all written."""
        writers = [c for c in self.callbacks if isinstance(c, TokenCallback)]
        if not writers:
            return ()
        return set.intersection(*(writer.done() for writer in writers))
