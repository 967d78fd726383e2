"""The typed results that travel between data, models, metrics and callbacks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from vq.images import normalize


class SampleKey(NamedTuple):
    """Which sample to read, and what its randomness depends on."""

    index: int  # type: ignore[assignment]  # tuples have a method of that name
    epoch: int = 0
    seed: int = 0


@dataclass(slots=True)
class Sample:
    """One item of a data set.

    Attributes:
        original_image: The augmented picture, uint8, (3, h, w); (3, 0, 0) of a data
            set that holds tokens alone.
        category: Class index; 0 where a data set has no classes.
        id: Name of the image within its data set, such as 'cat/12.png'.
        index: Position in the data set.
        tokens: Of the picture, int64, (h, w) or (h, w, g), where the data set has them.
    """

    original_image: Tensor
    category: int
    id: str
    index: int
    tokens: Tensor | None = None

    def at(self, index: int) -> Sample:
        """Return the same as item `index` of another data set."""
        return dataclasses.replace(self, index=index)


@dataclass(slots=True)
class Clip:
    """Consecutive frames of a video, one item of a data set.

    Attributes:
        samples: The frames, of one size; a frame's index is that of the clip times
            the number of frames, plus its own, and hence unique.
    """

    samples: list[Sample]

    def at(self, index: int) -> Clip:
        """Return the same as item `index` of another data set."""
        first = index * len(self.samples)
        return Clip([s.at(first + i) for i, s in enumerate(self.samples)])


@dataclass(slots=True)
class Batch:
    """A batch of images; it holds uint8 so that little is moved to the device.

    Attributes:
        original_image: uint8, (b, 3, h, w); (b, 3, 0, 0) where there are tokens alone.
        category: int64, (b,).
        index: Positions in the data set, int64, (b,).
        ids: b names.
        unreadable: What could not be read and was skipped or replaced, with why.
        tokens: int64, (b, h, w) or (b, h, w, g), where the data set has them.
    """

    original_image: Tensor
    category: Tensor
    index: Tensor
    ids: list[str]
    unreadable: list[str] = field(default_factory=list)
    tokens: Tensor | None = None

    @property
    def image(self) -> Tensor:
        """The network's input in [-1, 1], float32, (b, 3, h, w).

        Raises:
            ValueError: There are tokens alone.
        """
        if self.tokens is not None and not self.original_image.numel():
            raise ValueError(
                'an image is asked for, and the data set holds tokens alone: take one '
                'of images, or a model that looks at tokens'
            )
        return normalize(self.original_image)

    def __len__(self) -> int:
        return len(self.ids)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        tensors: dict[str, Any] = {
            f.name: function(value)
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return dataclasses.replace(self, **tensors)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on `device`; copies from pinned memory do not wait."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (called by torch's DataLoader)."""
        return self._map(Tensor.pin_memory)

    def chunk(self, number: int) -> Iterator[Batch]:
        """Split into `number` batches of nearly equal size, in order."""
        bounds = [len(self) * i // number for i in range(number + 1)]
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
            part = self._map(lambda t, a=start, b=stop: t[a:b])  # type: ignore[misc]
            part.ids = self.ids[start:stop]
            part.unreadable = self.unreadable if start == 0 else []
            yield part

    def select(self, places: Sequence[int]) -> Batch:
        """Return a batch of the images at some places."""
        chosen = torch.tensor(places, dtype=torch.int64)
        part = self._map(lambda tensor: tensor[chosen.to(tensor.device)])
        part.ids, part.unreadable = [self.ids[place] for place in places], []
        return part


@dataclass(slots=True)
class Quantized:
    """What a quantizer returns.

    Attributes:
        latent: Quantized latent, its gradient passed straight through, (b, d, h, w).
        tokens: Code indices, int64, (b, h, w); of g sub-tokens a position,
            (b, h, w, g).
        losses: Weighted scalar terms of the quantizer; empty in some families.
    """

    latent: Tensor
    tokens: Tensor
    losses: dict[str, Tensor] = field(default_factory=dict)


@dataclass(slots=True)
class Distillation:
    """What a system returns that tells a teacher's features from tokens.

    Attributes:
        features: As told from the quantized latent, (b, c, h, w).
        target: The teacher's, float32, (b, c, h, w).
        quantized: The quantizer's result that they were told from.
    """

    features: Tensor
    target: Tensor
    quantized: Quantized


@dataclass(slots=True)
class Classification:
    """What a probe returns that tells a picture's class from tokens.

    Attributes:
        logits: Of the classes, (b, k).
        quantized: The quantizer's result that they were told from.
    """

    logits: Tensor
    quantized: Quantized


@dataclass(slots=True)
class Reconstruction:
    """What a reconstructor returns.

    Attributes:
        image: Decoder output, (b, 3, h, w); about [-1, 1], not clamped.
        quantized: The quantizer's result that it was decoded from.
    """

    image: Tensor
    quantized: Quantized


@dataclass(slots=True)
class Prediction:
    """What a proposal network returns of the tokens of images.

    Attributes:
        losses: Of each token given those before, in nats, float32, (b, n).
        ranks: How many other codes are not less likely than the right one, int64,
            (b, n, g), g sub-tokens a token.
        quantized: The tokens that were to be told, and their latent.
        makers: What makes pictures, by kind; nothing is made before somebody asks.
    """

    losses: Tensor
    ranks: Tensor
    quantized: Quantized
    makers: dict[str, Callable[[], Reconstruction]]
    _made: dict[str, Reconstruction] = field(default_factory=dict)

    def part(self, kind: str) -> Reconstruction:
        """Return pictures of one kind, made at the first call.

        Args:
            kind: 'reconstruction', of the true tokens; 'completed', whose first half
                of rows is true; or 'generated', from the category alone.
        """
        if kind not in self._made:
            self._made[kind] = self.makers[kind]()
        return self._made[kind]


# Of a system's `val_step`.
Output = Reconstruction | Distillation | Classification | Prediction


class Update(Protocol):
    """One optimizer as a model's `train_step` meets it."""

    def __call__(self, loss: Callable[..., Loss], *args: Any) -> Loss:
        """Compute `loss(*args)`, back-propagate its total, and move the weights."""


class Optimizers(Protocol):
    """All optimizers of a run, by the names that its config gives them."""

    @property
    def iteration(self) -> int:
        """How many iterations have been completed before this one."""

    def __contains__(self, name: object) -> bool: ...

    def __getitem__(self, name: str) -> Update: ...


@dataclass(slots=True)
class Loss:
    """What a loss function of a model returns to an `Update`.

    Attributes:
        total: The scalar to minimise.
        logs: Detached scalars to log.
        reconstruction: What was reconstructed on the way, for whoever needs it next.
    """

    total: Tensor
    logs: dict[str, Tensor]
    reconstruction: Reconstruction | None = None
