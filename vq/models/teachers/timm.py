"""Any network of timm as a teacher: DINO, MAE, DINOv2, DINOv3, SigLIP 2 and others."""

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vq.models.teachers.base import Precision, Teacher, library
from vq.registry import MODELS

# What files hold beside the network that gives dense features: classifiers, pooling by
# attention, and what only pretraining needs.
BESIDE = ('head', 'fc', 'attn_pool', 'mask_token')
POOLED_NORM = 'fc_norm.'  # what the last norm is called that stands behind a mean


@MODELS.register_module()
class TimmTeacher(Teacher):
    """The last map of a network of timm, after its final norm.

    Class and register tokens are left out. Transformers take pictures of any size that
    their patches divide; timm then resizes the positions.

    Args:
        model: timm's name, such as 'vit_base_patch16_224.dino'. What stands behind the
            dot says which mean and deviation the weights were trained with.
        weights: An entry of `vq.pretrained` or a path; under timm's names, or under
            others that timm knows how to rename. Nothing is ever downloaded.
        size: See `Teacher`.
        grid: See `Teacher`.
        precision: See `Teacher`.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm does not know the name.
    """

    network: Any

    def __init__(
        self,
        *,
        model: str,
        weights: str,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights, size=size, grid=grid, precision=precision)
        timm = library('timm', teacher=type(self))
        if not timm.is_model(model):
            near = difflib.get_close_matches(model, timm.list_models(), n=3)
            raise ValueError(f'timm knows no model {model!r}; near: {near}')
        self.model = model
        self.network = create(timm, model, num_classes=0, global_pool='')
        self.out_dim = self.network.num_features
        self.downscale = self.network.feature_info[-1]['reduction']
        data = timm.data.resolve_model_data_config(self.network)
        self.set_pixels(data['mean'], data['std'])
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to the last map, normed, (b, c, h, w)."""
        return last_map(self.network, pixels)

    def _load(self, weights: Mapping[str, Tensor], source: Path) -> None:
        kept = self._without_others(weights)
        if kept.keys() != self.network.state_dict().keys():
            home = sys.modules[type(self.network).__module__]
            rename = getattr(home, 'checkpoint_filter_fn', lambda weights, _: weights)
            kept = self._without_others(rename(dict(weights), self.network))
        super()._load(kept, source)

    def _without_others(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        own = self.network.state_dict()
        named = {
            key.replace(POOLED_NORM, 'norm.') if key.startswith(POOLED_NORM) else key: v
            for key, v in weights.items()
        }
        return {
            key: value
            for key, value in named.items()
            if key in own or key.split('.')[0] not in BESIDE
        }


def create(timm: Any, model: str, **options: Any) -> Any:
    """Return a network of timm that takes any size, with random weights."""
    try:
        return timm.create_model(model, dynamic_img_size=True, **options)
    except TypeError:  # convolutions have no such option, and need none
        return timm.create_model(model, **options)


def last_map(network: Any, pixels: Tensor) -> Tensor:
    """Return the patches' last features in a network of timm, normed, (b, c, h, w)."""
    features: Tensor = network.forward_intermediates(
        pixels, indices=1, norm=True, intermediates_only=True
    )[-1]
    return features
