"""Batches: split and put together again, mapped without touching names."""

import pickle

import pytest
import torch

from vq.types import Batch, Reconstruction, SampleKey


def batch(number: int = 7) -> Batch:
    """Return a batch whose fields tell samples apart."""
    return Batch(
        original_image=torch.arange(number, dtype=torch.uint8)
        .reshape(-1, 1, 1, 1)
        .expand(-1, 3, 2, 2)
        .contiguous(),
        category=torch.arange(number) * 10,
        index=torch.arange(number) + 100,
        ids=[f'id {i}' for i in range(number)],
        unreadable=['x: torn'],
    )


@pytest.mark.parametrize('parts', [1, 2, 3, 7])
def test_chunks_put_together_are_the_batch(parts: int) -> None:
    whole, chunks = batch(), list(batch().chunk(parts))
    for name in ('original_image', 'category', 'index'):
        joint = torch.cat([getattr(chunk, name) for chunk in chunks])
        assert torch.equal(joint, getattr(whole, name))
    assert [i for chunk in chunks for i in chunk.ids] == whole.ids
    assert [u for chunk in chunks for u in chunk.unreadable] == whole.unreadable
    sizes = [len(chunk) for chunk in chunks]
    assert max(sizes) - min(sizes) <= 1 and len(sizes) == parts
    assert [len(chunk.category) for chunk in chunks] == sizes


def test_the_image_is_the_picture_in_minus_one_to_one() -> None:
    one = batch(2)
    expected = one.original_image.double() / 127.5 - 1
    assert torch.allclose(one.image.double(), expected, atol=1e-7)
    assert one.image.dtype == torch.float32


def test_moving_keeps_everything_and_changes_nothing() -> None:
    one = batch()
    moved = one.to('meta')
    assert moved.category.device.type == 'meta' and one.category.device.type == 'cpu'
    assert (moved.ids, moved.unreadable) == (one.ids, one.unreadable)


def test_an_empty_batch_has_length_zero() -> None:
    assert len(batch(0)) == 0


def test_results_travel_between_processes() -> None:
    one = pickle.loads(pickle.dumps(batch()))
    assert torch.equal(one.original_image, batch().original_image)
    assert one.ids == batch().ids


def test_a_key_is_its_fields() -> None:
    assert SampleKey(3) == (3, 0, 0)
    assert SampleKey(3, epoch=1)._replace(index=4) == (4, 1, 0)
    assert [field for field in Reconstruction.__slots__] == ['image', 'quantized']
