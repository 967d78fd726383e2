"""The small teachers of benchmarks/probe.py, made on the spot."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.models.teachers.base import Teacher
from vq.models.teachers.pca import PCATeacher, fit_pca
from vq.types import Batch

CLASSES, WIDTH, PATCH = 10, 64, 4
COMPONENTS = 16
STEPS, BATCH = 200, 64  # of learning the classes
Made = tuple[dict[str, Any], dict[str, Tensor]]


class ConvTeacher(Teacher):
    """Convolutions that see most of a digit at each of 8x8 positions.

    Args:
        weights: See `Teacher`.
    """

    def __init__(self, *, weights: str) -> None:
        super().__init__(weights=weights)
        layers: list[nn.Module] = []
        for in_dim, stride, dilation in (
            (3, 2, 1), (WIDTH, 2, 1), (WIDTH, 1, 1), (WIDTH, 1, 2), (WIDTH, 1, 2),
        ):  # fmt: skip
            layers += [
                nn.Conv2d(
                    in_dim, WIDTH, 3, stride, padding=dilation, dilation=dilation
                ),
                nn.GroupNorm(8, WIDTH),
                nn.GELU(),
            ]
        self.network = nn.Sequential(*layers)
        self.out_dim, self.downscale = WIDTH, PATCH
        self.set_pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to features (b, c, h, w)."""
        features: Tensor = self.network(pixels)
        return features


def learn_classes(teacher: ConvTeacher, images: Batch, steps: int) -> nn.Module:
    """Let a teacher's network learn the classes; return the layer behind it."""
    teacher.network.requires_grad_(True)
    head = nn.Linear(WIDTH, CLASSES)
    moved = [*teacher.network.parameters(), *head.parameters()]
    adam = torch.optim.Adam(moved, lr=1e-3)
    for _ in range(steps):
        chosen = torch.randint(len(images), (BATCH,))
        pixels = teacher.prepare(images.original_image[chosen].float())
        logits = head(teacher.network(pixels).mean((2, 3)))
        loss = functional.cross_entropy(logits, images.category[chosen])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    teacher.freeze()
    return head


def components(images: Batch) -> Made:
    """Return principal components of patches, and a constant."""
    config = dict(type=PCATeacher, patch=PATCH, dim=COMPONENTS)
    return config, fit_pca(images.original_image, patch=PATCH, dim=COMPONENTS)


def random(images: Batch) -> Made:
    """Return convolutions as they are drawn."""
    return dict(type=ConvTeacher), dict(ConvTeacher(weights='').network.state_dict())


def classes(images: Batch) -> Made:
    """Return convolutions that have learnt the images' classes."""
    teacher = ConvTeacher(weights='')
    learn_classes(teacher, images, STEPS)
    return dict(type=ConvTeacher), dict(teacher.network.state_dict())


# Each returns the config, without the file of its weights, and these.
TEACHERS: dict[str, Callable[[Batch], Made]] = dict(
    components=components, random=random, classes=classes
)
