"""LPIPS, a perceptual distance (https://arxiv.org/abs/1801.03924)."""

import logging
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary
from torchvision.models import vgg

from vq import dry_run, pretrained
from vq.models.frozen import FrozenModule
from vq.models.layers import (
    at_least_float32,
    differentiated_once,
    full_precision,
)
from vq.registry import MODELS

Trunk = Literal['pretrained', 'random']

TRUNK_NAME = 'torchvision/vgg16'  # in vq.pretrained
HEADS_FILE = 'weights/v0.1/vgg.pth'  # inside the installed package lpips
TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}  # layer of VGG16: its channels
MEAN = (-0.030, -0.088, -0.188)  # of pixels in [-1, 1]
STD = (0.458, 0.448, 0.450)
EPS = 1e-10
RANDOM_SEED = 0  # of a random trunk: the same on every rank and in every run
OPTION = '.trainer.model.reconstruction_losses.lpips_loss'
WITHOUT_LOSS = (
    'or train without a download, on a random trunk, a weaker loss: --override '
    f'{OPTION}.trunk::random, or without LPIPS: --override {OPTION}:None'
)

_logger = logging.getLogger(__name__)


class LPIPS(FrozenModule):
    """The distance of two images in the feature space of VGG16.

    It computes in float32, under autocast too. The constructor reads no file:
    `load_pretrained` does.

    The features of the image compared with (the second argument of a call) are kept
    for as long as that tensor object lives and is not written to: another call with it
    runs the trunk on the reconstruction alone. They hold neither a gradient nor the
    trunk's activations. Two passes, not one over both images: in one, the backward
    pass would go through the image's half as well, which costs a third more. The
    reconstruction's gradient is computed at once: see `differentiated_once`.

    Args:
        trunk: 'pretrained', on ImageNet, or 'random', from a fixed seed, which needs
            no file, is a far weaker judge, and compares with no published number.
        way_out: What the error says of how to do without the trunk's file.
    """

    def __init__(
        self, *, trunk: Trunk = 'pretrained', way_out: str = WITHOUT_LOSS
    ) -> None:
        super().__init__()
        if trunk not in ('pretrained', 'random'):
            raise ValueError(f"trunk must be 'pretrained' or 'random', got {trunk!r}")
        self.trunk_weights = trunk
        self.way_out = way_out
        layers = vgg.make_layers(vgg.cfgs['D'], batch_norm=False)
        self.trunk = layers[: max(TAPS) + 1]
        self.heads = nn.ParameterList(
            nn.Parameter(torch.full((dim,), 1 / dim)) for dim in TAPS.values()
        )
        self.register_buffer('mean', rearrange(torch.tensor(MEAN), 'c -> 1 c 1 1'))
        self.register_buffer('std', rearrange(torch.tensor(STD), 'c -> 1 c 1 1'))
        self._target = _LastTarget()
        self.freeze()

    def load_pretrained(self) -> None:
        """Read the trunk's weights from `pretrained/`, the heads' from lpips.

        Raises:
            FileNotFoundError: The trunk's file is missing; in a dry run that is only
                a warning, and the trunk is random.
        """
        self.load_heads()
        if self.trunk_weights == 'random':
            _logger.warning(
                "LPIPS has a random trunk, as trunk='random' asks: it is a weak "
                'perceptual loss, and its values compare with no published ones'
            )
            self.randomize_trunk()
            return
        try:
            self.load_trunk(pretrained.load(TRUNK_NAME))
        except pretrained.MissingWeightsError as error:
            message = f'LPIPS: {error}; {self.way_out}'
            if not dry_run.enabled():
                raise FileNotFoundError(message) from error
            _logger.warning('%s; this dry run goes on with random weights', message)
            self.randomize_trunk()

    def load_trunk(self, weights: dict[str, Tensor]) -> None:
        """Load torchvision's VGG16; only its convolutions up to relu5_3 are used."""
        prefix = 'features.'
        features = {
            key.removeprefix(prefix): weight
            for key, weight in weights.items()
            if key.startswith(prefix)
        }
        self.trunk.load_state_dict(features)
        self._target.forget()

    @torch.no_grad()
    def randomize_trunk(self, seed: int = RANDOM_SEED) -> None:
        """Draw weights that keep the scale of activations; the same for a seed."""
        generator = torch.Generator().manual_seed(seed)
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d):
                weight = torch.randn(layer.weight.shape, generator=generator)
                layer.weight.copy_(weight * math.sqrt(2 / weight[0].numel()))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self._target.forget()

    def load_heads(self) -> None:
        """Load the weights of channels that the package lpips ships."""
        spec = find_spec('lpips')
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError('LPIPS needs lpips: pip install lpips')
        path = Path(spec.origin).parent / HEADS_FILE
        weights = torch.load(path, map_location='cpu', weights_only=True)
        with torch.no_grad():
            for i, head in enumerate(self.heads):
                head.copy_(rearrange(weights[f'lin{i}.model.1.weight'], '1 c 1 1 -> c'))

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Return the distances (b,) of images (b, 3, h, w) in [-1, 1]."""
        theirs = self._target_features(image)
        wanted = torch.is_grad_enabled() and reconstruction.requires_grad
        if not wanted or image.requires_grad or torch.compiler.is_compiling():
            return self.distance(self.features(reconstruction), theirs)
        return differentiated_once(
            lambda ours: self.distance(self.features(ours), theirs), reconstruction
        )

    def features(self, image: Tensor) -> list[Tensor]:
        """Return what `distance` compares: five layers of unit vectors over channels.

        Args:
            image: In [-1, 1], (b, 3, h, w).

        Returns:
            (b, 64, h, w), (b, 128, h / 2, w / 2) ... (b, 512, h / 16, w / 16).
        """
        mean, std = self.get_buffer('mean'), self.get_buffer('std')
        features = []
        with full_precision(image):
            hidden = (at_least_float32(image) - mean) / std
            for i, layer in enumerate(self.trunk):
                hidden = layer(hidden)
                if i in TAPS:
                    features.append(_unit(hidden))
        return features

    def distance(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """Return the distances (b,) of two images' `features`."""
        with full_precision(ours[0]):
            distances = [
                reduce(
                    (one - other).square() * rearrange(head, 'c -> 1 c 1 1'),
                    'b c h w -> b h w',
                    'sum',
                ).mean((1, 2))
                for head, one, other in zip(self.heads, ours, theirs, strict=True)
            ]
            return torch.stack(distances).sum(0)

    def _target_features(self, image: Tensor) -> list[Tensor]:
        if image.requires_grad or not _LastTarget.can_hold(image):
            return self.features(image)
        features = self._target.recall(image)
        if features is None:
            with torch.no_grad():
                features = self.features(image)
            self._target.hold(image, features)
        return features


@MODELS.register_module()
class LPIPSLoss(nn.Module):
    """The mean LPIPS distance of a batch.

    Args:
        weight: Factor of the loss.
        trunk: 'pretrained' or 'random', see LPIPS.
    """

    def __init__(self, *, weight: float = 1.0, trunk: Trunk = 'pretrained') -> None:
        super().__init__()
        self.weight = weight
        self.lpips = LPIPS(trunk=trunk)

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Compare (b, 3, h, w) with (b, 3, h, w); a scalar."""
        distance: Tensor = self.lpips(reconstruction, image)
        return self.weight * distance.mean()


class _LastTarget:
    """Features of one image, until the tensor dies, is written to, or another comes.

    A copy, or what is read back from a pickle, holds nothing.
    """

    def __init__(self) -> None:
        self._held = WeakTensorKeyDictionary()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    @staticmethod
    def can_hold(image: Tensor) -> bool:
        """Tell whether a change of `image` would be noticed, and eager code runs."""
        if torch.compiler.is_compiling() or torch.is_inference_mode_enabled():
            return False
        return not image.is_inference()

    def recall(self, image: Tensor) -> list[Tensor] | None:
        if image not in self._held:
            return None
        version, features = self._held[image]
        return features if version == image._version else None

    def hold(self, image: Tensor, features: list[Tensor]) -> None:
        self.forget()
        self._held[image] = image._version, features

    def forget(self) -> None:
        self._held.clear()


def _unit(features: Tensor) -> Tensor:
    """Scale each position of (b, c, h, w) to length 1 over its channels."""
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    unit: Tensor = features / (length + EPS)
    return unit
