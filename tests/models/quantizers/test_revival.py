"""Which codes are dead and what replaces them, beside brute force."""

import torch

from vq.models.quantizers.revival import (
    dead_codes,
    most_used,
    random_rows,
    split,
    worst_rows,
)


def test_dead_codes_are_the_old_ones_the_oldest_first() -> None:
    generator = torch.Generator().manual_seed(0)
    ages = torch.randint(0, 8, (50,), generator=generator)
    by_hand = sorted((-age, token) for token, age in enumerate(ages.tolist()))
    expected = [token for age, token in by_hand if -age >= 5]
    assert dead_codes(ages, limit=5).tolist() == expected
    assert dead_codes(ages, limit=5, number=4).tolist() == expected[:4]
    assert dead_codes(ages, limit=9).tolist() == []


def test_random_rows_are_distinct_and_the_seed_s() -> None:
    drawn = random_rows(100, 30, seed=1)
    assert torch.equal(drawn, random_rows(100, 30, seed=1))
    assert not torch.equal(drawn, random_rows(100, 30, seed=2))
    assert len(set(drawn.tolist())) == 30
    assert int(drawn.min()) >= 0 and int(drawn.max()) < 100
    assert sorted(random_rows(5, 9, seed=0).tolist()) == [0, 1, 2, 3, 4]


def test_every_row_is_drawn_equally_often() -> None:
    draws = torch.stack([random_rows(10, 3, seed=seed) for seed in range(2000)])
    share = torch.bincount(draws.flatten(), minlength=10) / draws.numel()
    assert (share - 0.1).abs().max() < 0.02


def test_worst_rows_have_the_largest_errors() -> None:
    errors = torch.tensor([1.0, 3.0, 2.0, 3.0, 0.5])
    by_hand = sorted((-e, row) for row, e in enumerate(errors.tolist()))
    assert worst_rows(errors, 4).tolist() == [row for _, row in by_hand][:4]


def test_the_most_used_codes_are_split_if_they_have_something_to_share() -> None:
    counts = torch.tensor([0, 5, 1, 9, 2, 5])
    assert most_used(counts, 10).tolist() == [3, 1, 5, 4]
    assert most_used(counts, 2).tolist() == [3, 1]


def test_a_code_is_split_to_both_sides_by_its_share() -> None:
    codes = torch.randn(7, 4, dtype=torch.float64)
    one, other = split(codes, share=0.05, seed=0)
    torch.testing.assert_close((one + other) / 2, codes)
    expected = 0.1 * codes.norm(dim=1)
    torch.testing.assert_close((one - other).norm(dim=1), expected)
    assert torch.equal(one, split(codes, share=0.05, seed=0)[0])
