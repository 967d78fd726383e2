"""The rows of the table that are teachers' weights; what holds there holds here."""

from typing import Any

from vq.pretrained.entry import Entry

MB = 10**6  # bytes

HUGGINGFACE = 'https://huggingface.co'
OPENAI = 'https://openaipublic.azureedge.net/clip/models'
META = 'https://dl.fbaipublicfiles.com'


def _clip(weights: str, sha256: str, about: int, *, default: bool = False) -> Entry:
    # URLs: the table of open_clip 3.3, which a test compares.
    return Entry(
        name=f'clip/{weights}',
        file=f'clip/{weights}.pt',
        url=f'{OPENAI}/{sha256}/{weights}.pt',
        licence='MIT',
        purpose="teacher: OpenAI's CLIP",
        sha256=sha256,
        about=about,
        default=default,
    )


def _hub(name: str, repository: str, *, whole: bool = False, **more: Any) -> Entry:
    """Return the entry of a file of the hub; `whole` of a CLIP with its texts."""
    # URLs: the form of the hub. Repositories: the tables of open_clip 3.3 and timm
    # 1.0, which a test compares. Files: what these packages ask for first.
    file = 'open_clip_model.safetensors' if whole else 'model.safetensors'
    return Entry(
        name=name,
        file=f'{name}.safetensors',
        url=f'{HUGGINGFACE}/{repository}/resolve/main/{file}',
        **more,
    )


TEACHERS = [
    _clip(
        'ViT-B-16',
        '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f',
        351 * MB,
        default=True,
    ),
    _clip(
        'ViT-B-32',
        '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af',
        354 * MB,
    ),
    _clip(
        'ViT-L-14',
        'b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836',
        933 * MB,
    ),
    Entry(
        name='dino/vitbase16',
        file='dino/vitbase16.pth',
        url=f'{META}/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth',
        licence='Apache-2.0',
        purpose='teacher: DINO ViT-B/16',
        about=343 * MB,
    ),
    Entry(
        name='mae/vit_base',
        file='mae/mae_pretrain_vit_base.pth',
        url=f'{META}/mae/pretrain/mae_pretrain_vit_base.pth',
        licence='CC-BY-NC-4.0',
        purpose='teacher: MAE ViT-B/16',
        about=343 * MB,
    ),
    _hub(
        'openclip/ViT-L-14',
        'laion/CLIP-ViT-L-14-laion2B-s32B-b82K',
        whole=True,
        licence='',
        purpose='teacher: OpenCLIP L/14',
    ),
    _hub(
        'openclip/ViT-H-14',
        'laion/CLIP-ViT-H-14-laion2B-s32B-b79K',
        whole=True,
        licence='',
        purpose='teacher: OpenCLIP H/14',
        default=False,
    ),
    _hub(
        'openclip/ViT-bigG-14',
        'laion/CLIP-ViT-bigG-14-laion2B-39B-b160k',
        whole=True,
        licence='',
        purpose='teacher: OpenCLIP bigG/14',
        default=False,
    ),
    _hub(
        'evaclip/EVA02-B-16',
        'timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k',
        whole=True,
        licence='',
        purpose='teacher: EVA-02-CLIP B/16',
    ),
    Entry(
        name='dinov2/vitb14_reg4',
        file='dinov2/dinov2_vitb14_reg4_pretrain.pth',
        # In the table of timm 1.0; a test compares.
        url=f'{META}/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth',
        licence='Apache-2.0',
        purpose='teacher: DINOv2 ViT-B/14 with registers',
    ),
    _hub(
        'dinov3/vitb16',
        'timm/vit_base_patch16_dinov3.lvd1689m',
        # The publisher's own copies are given to those who accept this licence.
        licence='DINOv3 License',
        purpose='teacher: DINOv3 ViT-B/16',
    ),
    _hub(
        'siglip2/vit_base_patch16_224',
        'timm/vit_base_patch16_siglip_224.v2_webli',
        licence='Apache-2.0',
        purpose='teacher: SigLIP 2 ViT-B/16',
    ),
]
