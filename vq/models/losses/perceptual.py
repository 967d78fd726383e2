"""LPIPS, a perceptual distance (https://arxiv.org/abs/1801.03924)."""

import logging
from importlib.util import find_spec
from pathlib import Path

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torchvision.models import vgg

from vq import dry_run, paths
from vq.models.layers import FrozenModule, at_least_float32, full_precision
from vq.registry import MODELS

TRUNK_FILE = 'pretrained/torch/vgg16-397923af.pth'
TRUNK_URL = 'https://download.pytorch.org/models/vgg16-397923af.pth'
HEADS_FILE = 'weights/v0.1/vgg.pth'  # inside the installed package lpips
TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}  # layer of VGG16: its channels
MEAN = (-0.030, -0.088, -0.188)  # of pixels in [-1, 1]
STD = (0.458, 0.448, 0.450)
EPS = 1e-10

_logger = logging.getLogger(__name__)


class LPIPS(FrozenModule):
    """The distance of two images in the feature space of VGG16.

    It computes in float32, under autocast too. The constructor reads no file:
    `load_pretrained` does.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = vgg.make_layers(vgg.cfgs['D'], batch_norm=False)
        self.trunk = layers[: max(TAPS) + 1]
        self.heads = nn.ParameterList(
            nn.Parameter(torch.full((dim,), 1 / dim)) for dim in TAPS.values()
        )
        self.register_buffer('mean', rearrange(torch.tensor(MEAN), 'c -> 1 c 1 1'))
        self.register_buffer('std', rearrange(torch.tensor(STD), 'c -> 1 c 1 1'))
        self.freeze()

    def load_pretrained(self) -> None:
        """Read the trunk's weights from `pretrained/`, the heads' from lpips.

        Raises:
            FileNotFoundError: The trunk's file is missing; in a dry run that is only
                a warning, and the trunk stays random.
        """
        self.load_heads()
        path = paths.resolve(TRUNK_FILE)
        if path.exists():
            self.load_trunk(torch.load(path, map_location='cpu', weights_only=True))
            return
        message = (
            f"LPIPS needs torchvision's VGG16 at {path}: download {TRUNK_URL}, or "
            'train without it: --override '
            '.trainer.model.reconstruction_losses.lpips_loss:None'
        )
        if not dry_run.enabled():
            raise FileNotFoundError(message)
        _logger.warning('%s; this dry run goes on with random weights', message)

    def load_trunk(self, weights: dict[str, Tensor]) -> None:
        """Load torchvision's VGG16; only its convolutions up to relu5_3 are used."""
        prefix = 'features.'
        features = {
            key.removeprefix(prefix): weight
            for key, weight in weights.items()
            if key.startswith(prefix)
        }
        self.trunk.load_state_dict(features)

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
        with full_precision(image):
            ours, theirs = self._features(reconstruction), self._features(image)
            distances = [
                reduce(
                    (_unit(one) - _unit(other)).square()
                    * rearrange(head, 'c -> 1 c 1 1'),
                    'b c h w -> b h w',
                    'sum',
                ).mean((1, 2))
                for head, one, other in zip(self.heads, ours, theirs, strict=True)
            ]
            return torch.stack(distances).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        mean, std = self.get_buffer('mean'), self.get_buffer('std')
        hidden = (at_least_float32(image) - mean) / std
        features = []
        for i, layer in enumerate(self.trunk):
            hidden = layer(hidden)
            if i in TAPS:
                features.append(hidden)
        return features


@MODELS.register_module()
class LPIPSLoss(nn.Module):
    """The mean LPIPS distance of a batch.

    Args:
        weight: Factor of the loss.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.lpips = LPIPS()

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        """Compare (b, 3, h, w) with (b, 3, h, w); a scalar."""
        distance: Tensor = self.lpips(reconstruction, image)
        return self.weight * distance.mean()


def _unit(features: Tensor) -> Tensor:
    """Scale each position of (b, c, h, w) to length 1 over its channels."""
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    unit: Tensor = features / (length + EPS)
    return unit
