import pytest
import torch
from torch import nn

from vq.models.frozen import FrozenModule


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
