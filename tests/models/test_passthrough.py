"""What stands in for a model gives pictures back to the bit."""

import torch

from vq.images import to_uint8
from vq.registry import MODELS
from vq.types import Batch


def test_pictures_come_back_to_the_bit() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(2, 3, 1).view(2, 3, 16, 16)
    labels = torch.tensor([1, 2])
    batch = Batch(pixels, category=labels, index=labels, ids=['a', 'b'])
    model = MODELS.build(dict(type='PassThrough'))
    found = model.val_step(batch)
    assert torch.equal(to_uint8(found.image), pixels)
    assert found.quantized.tokens.shape == (2, 0, 0)
    assert found.quantized.tokens.dtype == torch.int64
    assert not list(model.parameters())
