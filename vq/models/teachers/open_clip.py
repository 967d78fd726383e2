"""CLIP's picture towers through open_clip: OpenAI's, OpenCLIP's, EVA-CLIP's."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from einops import rearrange
from torch import Tensor, nn
from torch.func import functional_call

from vq.models.teachers.base import Precision, Teacher, library
from vq.models.teachers.positions import resize_positions
from vq.models.teachers.timm import create, last_map
from vq.registry import MODELS

TOWER = 'visual.'  # of a whole CLIP, this part is the tower


@MODELS.register_module()
class OpenCLIPTeacher(Teacher):
    """The patches of a CLIP's picture tower, which the class token alone stands for.

    Args:
        model: open_clip's name of the architecture, such as 'ViT-B-16-quickgelu'.
        weights: An entry of `vq.pretrained` or a path: of a whole CLIP or of its tower,
            also OpenAI's own file. Nothing is ever downloaded.
        pretraining: open_clip's name of these weights, such as 'laion2b_s32b_b82k': it
            says which mean and deviation they were trained with. None stands for an
            architecture of your own, with OpenAI's.
        with_proj: Project into the space that pictures share with texts.
        size: See `Teacher`.
        grid: See `Teacher`.
        precision: See `Teacher`.

    Raises:
        ImportError: open_clip is not installed.
        ValueError: open_clip does not know the names, or the tower has no features of
            patches that could be projected.
    """

    network: Any

    def __init__(
        self,
        *,
        model: str,
        weights: str,
        pretraining: str | None = 'openai',
        with_proj: bool = True,
        size: int | None = None,
        grid: int | None = None,
        precision: Precision = 'auto',
    ) -> None:
        super().__init__(weights=weights, size=size, grid=grid, precision=precision)
        open_clip = library('open_clip', teacher=type(self))
        config = _config(open_clip, model)
        self.model = model
        self.with_proj = with_proj
        self.set_pixels(*_pixels(open_clip, model, pretraining, config))
        self.network = _tower(open_clip, config)
        trunk = getattr(self.network, 'trunk', None)
        if trunk is not None:
            width, self.downscale = trunk.num_features, trunk.patch_embed.patch_size[0]
            pooled = getattr(trunk, 'attn_pool', None) is not None
        else:
            width, self.downscale = self.network.conv1.out_channels, _patch(config)
            pooled = self.network.attn_pool is not None
        if pooled and with_proj:
            raise ValueError(
                f'{model} pools by attention, and projects what is pooled, not '
                'patches; take with_proj=False'
            )
        self.out_dim = config['embed_dim'] if with_proj else width
        self.freeze()

    def dense(self, pixels: Tensor) -> Tensor:
        """Map pixels (b, 3, H, W) to features of patches (b, c, h, w)."""
        if hasattr(self.network, 'trunk'):
            return self._dense_in_trunk(pixels)
        h, w = (side // self.downscale for side in pixels.shape[-2:])
        positions = resize_positions(self.network.positional_embedding, h, w)
        # The tower has no way to take others: it is called with them in place.
        tokens: Tensor = functional_call(
            self.network, {'positional_embedding': positions}, (pixels,)
        )[1]
        if self.with_proj:
            tokens = tokens @ self.network.proj
        return rearrange(tokens, 'b (h w) c -> b c h w', h=h)

    def _dense_in_trunk(self, pixels: Tensor) -> Tensor:
        trunk = self.network.trunk
        maps = last_map(trunk, pixels)
        tokens: Tensor = trunk.fc_norm(rearrange(maps, 'b c h w -> b h w c'))
        if self.with_proj:
            tokens = self.network.head(trunk.head(tokens))
        return rearrange(tokens, 'b h w c -> b c h w')

    def _load(self, weights: Mapping[str, Tensor], source: Path) -> None:
        tower = {
            key.removeprefix(TOWER): value
            for key, value in weights.items()
            if key.startswith(TOWER)
        }
        super()._load(tower or weights, source)


def _config(open_clip: Any, model: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(model)
    if config is None:
        near = difflib.get_close_matches(model, open_clip.list_models(), n=3)
        raise ValueError(f'open_clip knows no model {model!r}; near: {near}')
    return config


def _pixels(
    open_clip: Any, model: str, pretraining: str | None, config: Mapping[str, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and deviation that weights were trained with."""
    if pretraining is None:
        return open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    published = open_clip.get_pretrained_cfg(model, pretraining)
    if not published:
        tags = open_clip.list_pretrained_tags_by_model(model)
        raise ValueError(
            f'open_clip knows no weights {pretraining!r} of {model}; pretraining is '
            f'one of {tags}, or None for your own'
        )
    if published.get('quick_gelu', False) and not config.get('quick_gelu', False):
        # The weights would load, and the features be slightly wrong.
        raise ValueError(
            f'{pretraining} of {model} has another activation: take {model}-quickgelu'
        )
    return published['mean'], published['std']


def _patch(config: Mapping[str, Any]) -> int:
    patch: int = config['vision_cfg']['patch_size']
    return patch


def _tower(open_clip: Any, config: Mapping[str, Any]) -> nn.Module:
    """Build the picture tower of a CLIP, and none for texts."""
    vision = config['vision_cfg'] | dict(timm_model_pretrained=False)
    if 'timm_model_name' not in vision:
        vision['output_tokens'] = True
    tower: Any = open_clip.model._build_vision_tower(
        config['embed_dim'], vision, config.get('quick_gelu', False)
    )
    if 'timm_model_name' in vision:
        # The same once more, for pictures of any size.
        tower.trunk = create(
            library('timm', teacher=OpenCLIPTeacher),
            vision['timm_model_name'],
            num_classes=tower.trunk.num_classes,
            global_pool=tower.trunk.global_pool,
        )
    return tower  # type: ignore[no-any-return]
