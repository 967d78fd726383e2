"""Tokenizer: walks a data set once and only tokenizes it."""

import torch

from vq.images import normalize
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
        """Return the quantized latents and tokens of a batch.

        Where its images are several crops each, (b, j, 3, h, w), they follow one
        another, for they need the memory of one, and both have that axis too.
        """
        images = batch.original_image
        several = images.ndim == 5
        parts: list[Quantized] = [
            self.model.tokenizer(normalize(crop))  # type: ignore[operator]
            for crop in (images.unbind(1) if several else [images])
        ]
        if not several:
            return parts[0]
        return Quantized(
            latent=torch.stack([part.latent for part in parts], dim=1),
            tokens=torch.stack([part.tokens for part in parts], dim=1),
        )
