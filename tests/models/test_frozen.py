"""What is frozen stays so, in value and mode, and outside it nothing is."""

import pytest
import torch
from torch import nn

from tests.models import tiny
from vq.models.frozen import FrozenModule
from vq.registry import MODELS


class Teacher(FrozenModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.freeze()

    def forward(self, image):
        return self.net(image)


class Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Linear(2, 2)
        self.teacher = Teacher()


def test_frozen_module_stays_in_eval_and_frozen():
    student = Student().train().requires_grad_(True).train()
    assert student.training and student.own.weight.requires_grad
    assert not any(module.training for module in student.teacher.modules())
    assert not any(p.requires_grad for p in student.teacher.parameters())


def test_frozen_module_is_no_part_of_a_checkpoint():
    student = Student()
    state = student.state_dict()
    assert set(state) == {'own.weight', 'own.bias'}
    other = Student()
    kept = other.teacher.net[0].weight.clone()
    result = other.load_state_dict(state, strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    assert torch.equal(other.own.weight, student.own.weight)
    assert torch.equal(other.teacher.net[0].weight, kept)
    assert set(state) == {'own.weight', 'own.bias'}
    assert student.teacher.state_dict() == {}


def test_a_missing_weight_is_still_an_error():
    with pytest.raises(RuntimeError, match=r'own\.bias'):
        Student().load_state_dict({'own.weight': torch.zeros(2, 2)})
    with pytest.raises(RuntimeError, match='Unexpected'):
        Student().load_state_dict(Student().state_dict() | {'x': torch.zeros(1)})


def frozen_ones(model: nn.Module) -> set[str]:
    """Return the parts, two deep, without a module that trains."""
    return {
        name
        for name, part in model.named_modules()
        if 0 < name.count('.') + bool(name) < 3
        and not any(m.training for m in part.modules())
        and not any(p.requires_grad for p in part.parameters())
    }


@pytest.mark.parametrize(
    ('frozen', 'expected'),
    [
        ([], set()),
        (['tokenizer.encoder'], {'tokenizer.encoder'}),
        (
            ['tokenizer.encoder', 'tokenizer', 'decoder.levels'],
            {'tokenizer', 'decoder.levels'},
        ),
        (['discriminator'], {'discriminator'}),
    ],
)
def test_parts_are_frozen_whatever_train_says(frozen, expected):
    model = MODELS.build(tiny.vqgan(frozen=frozen))
    assert set(model.frozen_parts) == expected
    for call in (lambda: None, model.eval, model.train, lambda: model.train(True)):
        call()
    found = frozen_ones(model)
    # Nothing else is frozen than they and what is in them.
    inside = {name for name in found for part in expected if name.startswith(part)}
    assert expected <= found == inside
    assert set(model.state_dict()) == set(MODELS.build(tiny.vqgan()).state_dict())


def test_no_graph_is_built_through_a_frozen_tokenizer():
    model = MODELS.build(tiny.vqgan(frozen=['tokenizer'])).train()
    loss = model.generator_loss(tiny.batch())
    assert not loss.reconstruction.quantized.latent.requires_grad
    loss.total.backward()
    trained = {n for n, p in model.named_parameters() if p.grad is not None}
    parts = ('pre_decode.', 'decoder.')
    assert trained == {n for n, _ in model.named_parameters() if n.startswith(parts)}


def test_a_part_that_is_not_there_lists_those_that_are():
    with pytest.raises(
        ValueError, match="no part 'tokeniser'; there are tokenizer, tokenizer.encoder"
    ):
        MODELS.build(tiny.vqgan(frozen=['tokeniser']))
    with pytest.raises(ValueError, match=r"a list of .* got 't'; write \['t'\]"):
        MODELS.build(tiny.vqgan(frozen='t'))
