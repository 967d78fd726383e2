"""A tiny network of each library: a teacher's config, and the library's answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import transformers
from einops import rearrange
from safetensors.torch import save_file
from timm.models import eva, vision_transformer
from torch import Tensor, nn
from torchvision import models
from torchvision.models._api import register_model
from torchvision.transforms.v2 import functional

from vq.models.teachers import fit_pca
from vq.registry import MODELS

PATCH, WIDTH, SIZE = 8, 16, 32
GRID = SIZE // PATCH
TINY = dict(
    img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=2, num_heads=2
)  # of timm
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
Dense = Callable[[Tensor], Tensor]


@timm.models.register_model
def tiny_dino(**options: Any) -> nn.Module:
    """DINO and MAE: a class token."""
    return vision_transformer._create_vision_transformer(
        'vit_base_patch16_224.dino', **TINY | options
    )


@timm.models.register_model
def tiny_dinov2(**options: Any) -> nn.Module:
    """DINOv2: register tokens without positions, scaled layers."""
    own = dict(init_values=1e-1, reg_tokens=4, no_embed_class=True)
    return vision_transformer._create_vision_transformer(
        'vit_base_patch14_reg4_dinov2', **TINY | own | options
    )


@timm.models.register_model
def tiny_siglip(**options: Any) -> nn.Module:
    """SigLIP 2: no class token, pooling by attention."""
    own = dict(class_token=False, global_pool='map')
    return vision_transformer._create_vision_transformer(
        'vit_base_patch16_siglip_224', **TINY | own | options
    )


@timm.models.register_model
def tiny_pooled(**options: Any) -> nn.Module:
    """A mean of patches before the last norm."""
    own = dict(class_token=False, global_pool='avg')
    return vision_transformer._create_vision_transformer(
        'vit_base_patch16_224.dino', **TINY | own | options
    )


@timm.models.register_model
def tiny_dinov3(**options: Any) -> nn.Module:
    """DINOv3: rotary positions, register tokens, no learned positions."""
    own = dict(
        rope_type='dinov3',
        use_rot_pos_emb=True,
        use_abs_pos_emb=False,
        num_reg_tokens=4,
        use_fc_norm=False,
        qkv_bias=False,
        init_values=1e-1,
    )
    return eva._create_eva('vit_base_patch16_dinov3', **TINY | own | options)


@timm.models.register_model
def tiny_eva(**options: Any) -> nn.Module:
    """EVA-02-CLIP: rotary and learned positions, a class token."""
    own = dict(use_rot_pos_emb=True, ref_feat_shape=(GRID, GRID), swiglu_mlp=True)
    return eva._create_eva('eva02_base_patch16_clip_224', **TINY | own | options)


@register_model()
def tiny_vit(*, weights: None = None, image_size: int = SIZE) -> nn.Module:
    """A ViT of torchvision."""
    del weights
    return models.VisionTransformer(image_size, PATCH, 2, 2, WIDTH, 2 * WIDTH)


@register_model()
def tiny_convnext(*, weights: None = None) -> nn.Module:
    """A ConvNeXt of torchvision."""
    del weights
    widths = [(8, 8), (8, 8), (8, WIDTH), (WIDTH, None)]
    blocks = [models.convnext.CNBlockConfig(a, b, 1) for a, b in widths]
    return models.ConvNeXt(blocks)


@dataclass
class Setup:
    """A teacher, and what it should be.

    Args:
        config: The teacher's.
        expected: The library's features of normalized pixels, (b, c, h, w).
        pixels: The mean and deviation of its training.
        size: Pixels a side of pictures that it is compared on.
        network: The library's network, with the weights of the file.
    """

    config: dict[str, Any]
    expected: Dense
    pixels: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    size: int = SIZE
    network: Any = None

    def build(self, **changes: Any) -> Any:
        """Build the teacher and load its weights."""
        teacher = MODELS.build(self.config | changes)
        teacher.load_pretrained()
        return teacher

    def normalize(self, image: Tensor) -> Tensor:
        """Return the network's input by torchvision's transforms."""
        scaled = functional.to_dtype(image, torch.float32, scale=True)
        return functional.normalize(scaled, *map(list, self.pixels))


def picture(size: int = SIZE, *, seed: int = 0, number: int = 2) -> Tensor:
    """Return random pictures (number, 3, size, size), uint8."""
    generator = torch.Generator().manual_seed(seed)
    shape = (number, 3, size, size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def shaken(network: nn.Module) -> nn.Module:
    """Make every number of a network random, and return it in eval mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return network.eval()


def grid(tokens: Tensor) -> Tensor:
    """Lay the last tokens of a square out: (b, n, c) -> (b, c, h, w)."""
    side = int(tokens.shape[1] ** 0.5)
    return rearrange(tokens[:, -side * side :], 'b (h w) c -> b c h w', h=side)


def of_timm(model: str, folder: Path, pixels: Any = IMAGENET) -> Setup:
    """A network of timm."""
    network: Any = shaken(timm.create_model(model))
    path = folder / f'{model}.pth'
    torch.save(dict(model=network.state_dict()), path)

    def expected(image: Tensor) -> Tensor:
        tokens = network.fc_norm(network.forward_features(image))
        return grid(tokens[:, network.num_prefix_tokens :])

    config = dict(type='TimmTeacher', model=model, weights=str(path))
    return Setup(config, expected, pixels, network=network)


def of_torchvision(model: str, folder: Path) -> Setup:
    """A network of torchvision."""
    network: Any = shaken(models.get_model(model))
    path = folder / f'{model}.pth'
    torch.save(network.state_dict(), path)
    if model == 'tiny_convnext':
        expected, size = network.features, 64
    else:
        size = SIZE

        def expected(image: Tensor) -> Tensor:
            seen: list[Tensor] = []
            handle = network.encoder.register_forward_hook(
                lambda _, __, output: seen.append(output)
            )
            network(image)
            handle.remove()
            return grid(seen[0][:, 1:])

    config = dict(type='TorchvisionTeacher', model=model, weights=str(path))
    return Setup(config, expected, size=size, network=network)


def of_open_clip(model: str, folder: Path) -> Setup:
    """A CLIP, whole, whose tower has a ViT of open_clip's or a trunk of timm's."""
    vision: dict[str, Any] = dict(image_size=SIZE)
    if model == 'tiny-clip':
        vision |= dict(layers=2, width=WIDTH, head_width=8, patch_size=PATCH)
    else:
        vision |= dict(timm_model_name='tiny_eva', timm_pool='token', timm_proj=None)
    text = dict(context_length=4, vocab_size=16, width=8, heads=2, layers=1)
    architecture = dict(embed_dim=12, vision_cfg=vision, text_cfg=text)
    architecture['quick_gelu'] = model == 'tiny-clip'
    file = folder / f'{model}.json'
    file.write_text(json.dumps(architecture))
    open_clip.add_model_config(file)
    clip: Any = shaken(open_clip.create_model(model, pretrained=None))
    path = folder / f'{model}.pt'
    torch.save(clip.state_dict(), path)
    tower = clip.visual

    def expected(image: Tensor) -> Tensor:
        maps = tower.forward_intermediates(
            image, indices=[-1], normalize_intermediates=True
        )['image_intermediates'][-1]
        if model == 'tiny-clip':
            return torch.einsum('bchw,cd->bdhw', maps, tower.proj)
        return torch.einsum('bchw,dc->bdhw', maps, tower.trunk.head.weight) + rearrange(
            tower.trunk.head.bias, 'd -> d 1 1'
        )

    config = dict(type='OpenCLIPTeacher', model=model, weights=str(path))
    return Setup(config | dict(pretraining=None), expected, CLIP, network=clip)


def of_transformers(kind: str, folder: Path) -> Setup:
    """A folder of Hugging Face's form."""
    own = dict(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIZE,
        patch_size=PATCH,
    )
    pixels: Any = IMAGENET
    if kind == 'siglip':
        text = own | dict(vocab_size=16, max_position_embeddings=4)
        config = transformers.SiglipConfig(vision_config=own, text_config=text)
        pixels = HALF
    elif kind == 'dinov3':
        config = transformers.DINOv3ViTConfig(**own, num_register_tokens=4)
    elif kind == 'dinov2-registers':
        config = transformers.Dinov2WithRegistersConfig(**own, num_register_tokens=4)
    else:
        config = transformers.Dinov2Config(**own)
    network: Any = shaken(transformers.AutoModel.from_config(config))
    network.save_pretrained(folder / kind)
    vision = getattr(network, 'vision_model', network)

    def expected(image: Tensor) -> Tensor:
        return grid(vision(pixel_values=image).last_hidden_state)

    written = dict(type='TransformersTeacher', weights=str(folder / kind))
    return Setup(written, expected, pixels, network=vision)


def of_pca(folder: Path) -> Setup:
    """Principal components."""
    weights = fit_pca(picture(number=8), patch=PATCH, dim=WIDTH)
    save_file(weights, folder / 'pca.safetensors')

    def expected(image: Tensor) -> Tensor:
        kernel = rearrange(
            weights['components'], 'd (c p q) -> d c p q', p=PATCH, q=PATCH
        )
        bias = weights['offset'] - weights['components'] @ weights['mean']
        return nn.functional.conv2d(image, kernel, bias, stride=PATCH)

    config = dict(type='PCATeacher', patch=PATCH, dim=WIDTH)
    path = str(folder / 'pca.safetensors')
    unscaled = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return Setup(config | dict(weights=path), expected, unscaled)


SETUPS: dict[str, Callable[[Path], Setup]] = {
    'timm dino': lambda folder: of_timm('tiny_dino', folder),
    'timm dinov2': lambda folder: of_timm('tiny_dinov2', folder),
    'timm dinov3': lambda folder: of_timm('tiny_dinov3', folder),
    'timm siglip2': lambda folder: of_timm('tiny_siglip', folder, HALF),
    'timm pooled': lambda folder: of_timm('tiny_pooled', folder),
    'torchvision vit': lambda folder: of_torchvision('tiny_vit', folder),
    'torchvision convnext': lambda folder: of_torchvision('tiny_convnext', folder),
    'open_clip': lambda folder: of_open_clip('tiny-clip', folder),
    'open_clip eva': lambda folder: of_open_clip('tiny-eva', folder),
    'transformers registers': lambda folder: of_transformers(
        'dinov2-registers', folder
    ),
    'transformers dinov3': lambda folder: of_transformers('dinov3', folder),
    'transformers siglip2': lambda folder: of_transformers('siglip', folder),
    'pca': of_pca,
}
