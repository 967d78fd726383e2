"""What every feature extractor is: pixels in, float32 features out, never trained."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from vq import dry_run, paths, pretrained
from vq.checkpoints.files import CheckpointError, read_file, sha256
from vq.checkpoints.weights import check_fit
from vq.models.layers import full_precision

_logger = logging.getLogger(__name__)
RANDOM = 'random'  # the stamp of weights that come from no file
CONTAINERS = ('state_dict', 'model')  # where training programs keep them in a file


@dataclass(slots=True)
class Features:
    """What an extractor sees in a batch of images.

    Attributes:
        pooled: One vector an image, float32, (b, d).
        spatial: A flattened inner feature map, (b, s); None where there is none.
        logits: Of the classes of a classifier, without bias, (b, k); None without.
    """

    pooled: Tensor
    spatial: Tensor | None = None
    logits: Tensor | None = None


class Extractor(nn.Module, ABC):
    """A frozen network that images are compared through.

    It computes in float32 whatever the run's precision is, stays in evaluation mode,
    and takes its weights from one local file, whose SHA-256 goes into the stamp of
    every number. A subclass says what its network is (`self.network`), how pixels are
    prepared, and what of its output is which feature.

    Args:
        weights: An entry of `vq.pretrained`, such as 'pytorch_fid/inception', or a
            path.
        channels_last: Keep images in the memory format that convolutions like; it
            rounds otherwise, by some 1e-7.
        compile: Compile the network; the same holds.

    Attributes:
        dim: Length d of `Features.pooled`.
        spatial_dim: Length of `Features.spatial`; 0 without.
        classes: Length of `Features.logits`; 0 without.
    """

    network: nn.Module
    dim: int
    spatial_dim = 0
    classes = 0

    def __init__(
        self, *, weights: str, channels_last: bool = True, compile: bool = False
    ) -> None:
        super().__init__()
        self.weights = weights
        self.sha256 = RANDOM
        self._memory_format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        self._compile = compile

    def _freeze(self) -> None:
        """Set the network up for good; to be called when it is built."""
        self.requires_grad_(False)
        self.network.to(memory_format=self._memory_format)
        super().train(False)
        if self._compile:
            self.network.compile()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever is asked for."""
        return self

    def load_pretrained(self) -> None:
        """Load the weights from their file.

        Raises:
            FileNotFoundError: It is missing; in a dry run that is only a warning.
            CheckpointError: It is damaged, or holds another network.
        """
        try:
            path = self._path()
        except FileNotFoundError as error:
            if not dry_run.enabled():
                raise
            _logger.warning('dry run: %s is random: %s', type(self).__name__, error)
            return
        self._load(_read_weights(path), path)
        self.sha256 = sha256(path)

    def _path(self) -> Path:
        if pretrained.is_entry(self.weights):
            return pretrained.find(self.weights)
        return paths.resolve_input(self.weights)

    def _load(self, weights: Mapping[str, Tensor], source: Path) -> None:
        """Load what the file holds into the network."""
        own = self.network.state_dict()
        # Only training counts the batches that a norm has seen; files may lack it.
        counts = {key: own[key] for key in own if key.endswith('num_batches_tracked')}
        complete = counts | dict(weights)
        check_fit(self.network, complete, source)
        self.network.load_state_dict(complete)

    def stamp(self) -> dict[str, str]:
        """Return what identifies the features: fields of `vq.metrics.Protocol`."""
        return dict(extractor=type(self).__name__, weights=self.sha256, dtype='float32')

    @torch.no_grad()
    def forward(self, original_image: Tensor) -> Features:
        """Return the features of uint8 images (b, 3, h, w).

        Raises:
            TypeError: They are not uint8.
        """
        if original_image.dtype != torch.uint8:
            raise TypeError(
                f'images must be uint8 of 0 to 255, got {original_image.dtype}; '
                'vq.images.to_uint8 makes them from [-1, 1]'
            )
        with (
            full_precision(original_image),
            # TensorFloat-32 would round inputs of convolutions to 10 bits.
            torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled,
                benchmark=False,
                deterministic=True,
                allow_tf32=False,
            ),
        ):
            pixels = self.prepare(original_image.float())
            pixels = pixels.contiguous(memory_format=self._memory_format)
            return self.features(self.network(pixels))

    @abstractmethod
    def prepare(self, pixels: Tensor) -> Tensor:
        """Resize and normalize pixels of 0 to 255: (b, 3, h, w) -> network's input."""

    @abstractmethod
    def features(self, output: Any) -> Features:
        """Tell what of the network's output is which feature."""


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file, also from one container of a training program."""
    weights = read_file(path)
    for key in CONTAINERS:
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    if not isinstance(weights, dict) or not all(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise CheckpointError(
            f'{path} holds no weights: a state dict is wanted, alone or as '
            f'{" or ".join(map(repr, CONTAINERS))}'
        )
    return weights
