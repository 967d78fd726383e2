"""Any network of timm as an extractor: FD-DINOv2 (https://arxiv.org/abs/2306.04675)."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vq.models.extractors.base import Extractor, Features
from vq.models.extractors.resizing import antialiased
from vq.registry import MODELS

MASK = 'mask_token'  # of pretraining; in the files that DINOv2's authors published


@MODELS.register_module()
class TimmExtractor(Extractor):
    """What a network of timm sees before its classifier.

    The whole picture is resized, bicubic and antialiased, without rounding, and
    normalized as timm says for this network; nothing is cut off. Published programs
    differ in this and in how they fit position embeddings to another size: compare
    with their numbers only after a look at theirs.

    Args:
        model: timm's name, such as 'vit_large_patch14_dinov2.lvd142m'.
        weights: Its weights under timm's names, an entry of `vq.pretrained` or a path;
            a classifier in it is left out. Nothing is ever downloaded.
        size: Pixels a side; the network's own by default (518 for DINOv2, whose FD is
            mostly given at 224).
        channels_last: See `Extractor`.
        compile: See `Extractor`.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm does not know the name, or its patches do not fit the size.
    """

    network: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        model: str,
        weights: str,
        size: int | None = None,
        channels_last: bool = True,
        compile: bool = False,
    ) -> None:
        super().__init__(weights=weights, channels_last=channels_last, compile=compile)
        timm = _timm()
        if not timm.is_model(model):
            near = difflib.get_close_matches(model, timm.list_models(), n=3)
            raise ValueError(f'timm knows no model {model!r}; near: {near}')
        self.model = model
        self.network = timm.create_model(model, pretrained=False, num_classes=0)
        data = timm.data.resolve_model_data_config(self.network)
        self.size: int = size or data['input_size'][-1]
        patch = getattr(getattr(self.network, 'patch_embed', None), 'patch_size', (1,))
        if any(self.size % side for side in patch):
            # timm would leave out what remains at the edges.
            raise ValueError(f'size {self.size} is no multiple of the patch {patch}')
        self._other_size = self.size != data['input_size'][-1]
        # Of some networks, more than the channels of their maps.
        self.dim: int = self.network.head_hidden_size
        for name in ('mean', 'std'):
            value = rearrange(torch.tensor(data[name]), 'c -> 1 c 1 1')
            self.register_buffer(name, value, persistent=False)
        self.freeze()

    def load_pretrained(self) -> None:
        """Load the weights from their file, then fit the network to the size."""
        super().load_pretrained()
        # Networks with position embeddings have it; convolutions take any size.
        fit = getattr(self.network, 'set_input_size', None)
        if fit is not None and self._other_size:
            fit(img_size=self.size)
            self.requires_grad_(False)  # the embeddings are new parameters

    def _load(self, weights: Mapping[str, Tensor], source: Path) -> None:
        classifiers = self.network.pretrained_cfg.get('classifier') or ()
        if isinstance(classifiers, str):
            classifiers = (classifiers,)
        left = (MASK, *(f'{name}.' for name in classifiers))
        kept = {k: v for k, v in weights.items() if not k.startswith(left)}
        super()._load(kept, source)

    def stamp(self) -> dict[str, str]:
        """Return what identifies the features."""
        resizer = f'antialiased {self.size}'
        return super().stamp() | dict(extractor=f'timm/{self.model}', resizer=resizer)

    def prepare(self, pixels: Tensor) -> Tensor:
        """Resize and normalize: (b, 3, h, w) in 0 to 255 -> (b, 3, size, size)."""
        return (antialiased(pixels, self.size) / 255 - self.mean) / self.std

    def features(self, output: Any) -> Features:
        """Return the pooled features alone."""
        return Features(pooled=output)


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            "TimmExtractor needs timm: pip install -e '.[teachers]'"
        ) from error
    return timm
