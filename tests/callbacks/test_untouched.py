"""A look aside leaves randomness and modes as they were."""

import random
from pathlib import Path

import numpy as np
import torch

from tests.runs import toy_trainer
from vq.callbacks.untouched import same_randomness, untouched


def draws() -> list[float]:
    """Draw from each generator."""
    return [random.random(), float(np.random.rand()), float(torch.rand(()))]


def seed() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


def test_draws_go_on_as_if_there_had_been_none_and_no_seed() -> None:
    seed()
    straight = [draws(), draws()]
    seed()
    first = draws()
    with same_randomness(torch.device('cpu')):
        draws()
        torch.manual_seed(2)
        random.seed(2)
    assert [first, draws()] == straight


def test_modules_are_put_back_one_by_one_also_after_an_error(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    model = trainer.model
    model.train()
    model.norm.eval()  # type: ignore[operator, union-attr]
    modes = [module.training for module in model.modules()]
    try:
        with untouched(trainer):
            assert not any(module.training for module in model.modules())
            raise KeyError
    except KeyError:
        pass
    assert [module.training for module in model.modules()] == modes == [True, False]
