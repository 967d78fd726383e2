"""Detokenizer: walks a token store once, decodes it and measures the images."""

from vq.registry import RUNNERS
from vq.runners.validator import Validator
from vq.types import Batch, Quantized, Reconstruction


@RUNNERS.register_module()
class Detokenizer(Validator):
    """Validates what a model makes of stored tokens, without ever writing a picture.

    It is built as a validator; its data set is an `UndecodedDataset`.
    """

    def step(self, batch: Batch) -> Reconstruction:
        """Return what the tokens of a batch are decoded to."""
        tokens = batch.original_image
        latent = self.model.tokenizer.tokens_to_latent(tokens)  # type: ignore[union-attr, operator]
        image = self.model.decode(latent)  # type: ignore[operator]
        return Reconstruction(image=image, quantized=Quantized(latent, tokens))
