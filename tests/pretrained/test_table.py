"""The table says what the packages say, and no name or file is there twice."""

import hashlib
import importlib.util
import re
from pathlib import Path
from urllib.parse import urlsplit

import lpips
import pytest
import timm
import torchvision

from vq.pretrained.table import ENTRIES, TABLE, groups, members

GROUPS = [
    'pytorch_fid',
    'inception',
    'lpips',
    'torchvision',
    'beitv2',
    'clip',
    'dino',
    'mae',
    'openclip',
    'evaclip',
    'dinov2',
    'dinov3',
    'siglip2',
    'huggingface',
    'taming_transformers',
    'llamagen',
    'movqgan',
]


@pytest.mark.parametrize('name', ['VGG16', 'ViT_B_16', 'ConvNeXt_Base'])
def test_urls_of_torchvision(name: str) -> None:
    weights = getattr(torchvision.models, f'{name}_Weights').DEFAULT
    entry = TABLE[f'torchvision/{name.lower()}']
    assert entry.url == weights.url
    assert entry.about == pytest.approx(weights.meta['_file_size'] * 2**20, rel=0.01)
    assert entry.file == f'torch/{weights.url.rpartition("/")[2]}'


def open_clip_files() -> tuple[str, str]:
    """Return open_clip's table and constants; importing it takes seconds."""
    spec = importlib.util.find_spec('open_clip')
    assert spec is not None and spec.origin is not None
    names = ('pretrained.py', 'constants.py')
    table, constants = (Path(spec.origin).with_name(n).read_text() for n in names)
    return table, constants


@pytest.mark.parametrize('name', ['ViT-B-16', 'ViT-B-32', 'ViT-L-14'])
def test_urls_of_open_clip(name: str) -> None:
    table, _ = open_clip_files()
    assert f'"{TABLE[f"clip/{name}"].url}"' in table


@pytest.mark.parametrize(
    ('name', 'pretraining'),
    [
        ('openclip/ViT-L-14', 'laion2b_s32b_b82k'),
        ('openclip/ViT-H-14', 'laion2b_s32b_b79k'),
        ('openclip/ViT-bigG-14', 'laion2b_s39b_b160k'),
        ('evaclip/EVA02-B-16', 'merged2b_s8b_b131k'),
    ],
)
def test_repositories_of_open_clip(name: str, pretraining: str) -> None:
    table, constants = open_clip_files()
    host, owner, repository, *rest = TABLE[name].url.removeprefix('https://').split('/')
    row = rf'\b{pretraining}=\w+\([^()]*hf_hub=.{owner}/{repository}/'
    assert re.search(row, table)
    assert host == 'huggingface.co' and rest[:2] == ['resolve', 'main']
    assert f'HF_SAFE_WEIGHTS_NAME = "{rest[2]}"' in constants


@pytest.mark.parametrize(
    ('name', 'model'),
    [
        ('dino/vitbase16', 'vit_base_patch16_224.dino'),
        ('mae/vit_base', 'vit_base_patch16_224.mae'),
        ('dinov2/vitb14_reg4', 'vit_base_patch14_reg4_dinov2.lvd142m'),
        ('dinov3/vitb16', 'vit_base_patch16_dinov3.lvd1689m'),
        ('siglip2/vit_base_patch16_224', 'vit_base_patch16_siglip_224.v2_webli'),
    ],
)
def test_urls_of_timm(name: str, model: str) -> None:
    published = timm.get_pretrained_cfg(model)
    file = published.hf_hub_filename or 'model.safetensors'
    hub = f'https://huggingface.co/{published.hf_hub_id}/resolve/main/{file}'
    assert TABLE[name].url == (published.url or hub)
    words = re.findall('[a-z0-9]+', TABLE[name].licence.lower())
    assert set(re.findall('[a-z0-9]+', published.license)) <= set(words)


def test_url_of_pytorch_fid() -> None:
    spec = importlib.util.find_spec('pytorch_fid')
    assert spec is not None and spec.origin is not None
    code = Path(spec.origin).with_name('inception.py').read_text()
    assert f"'{TABLE['pytorch_fid/inception'].url}'" in code


def test_the_heads_of_lpips_are_those_of_its_package() -> None:
    entry = TABLE['lpips/vgg']
    package, file = entry.package or ('', '')
    assert package == lpips.__name__
    content = (Path(lpips.__file__).parent / file).read_bytes()
    assert (entry.sha256, entry.size) == (
        hashlib.sha256(content).hexdigest(),
        len(content),
    )


def test_checksums_are_those_of_the_published_names() -> None:
    for entry in ENTRIES:
        path = urlsplit(entry.url).path
        # vgg16-397923af.pth, or the folder of a file of OpenAI's
        published = re.search(r'-([0-9a-f]{8})\.pth$|/([0-9a-f]{64})/', path)
        assert published is None or entry.sha256.startswith(
            published[1] or published[2]
        )
        assert re.fullmatch(r'[0-9a-f]{8}|[0-9a-f]{64}|', entry.sha256)
        if published is None:
            assert not entry.sha256 or entry.package is not None


def test_groups_are_the_words_of_the_command() -> None:
    assert list(groups()) == GROUPS
    assert [e.name for e in groups()['lpips']] == ['lpips/vgg', 'torchvision/vgg16']
    assert all(any(e.default for e in pool) for pool in groups().values())


def test_nothing_is_there_twice() -> None:
    for values in ([e.name for e in ENTRIES], [e.file for e in ENTRIES]):
        assert len(set(values)) == len(values)
    assert all(e.url.startswith('https://') for e in ENTRIES)


def test_members_are_found_by_name_path_and_folder() -> None:
    (vgg,) = members('torchvision/vgg16')
    assert members('pretrained/torch/vgg16-397923af.pth') == [vgg]
    assert members('torch/vgg16-397923af.pth') == [vgg]
    (one,) = members('taming_transformers/imagenet_f16_1024')
    assert one.file == 'taming-transformers/vqgan_imagenet_f16_1024.pth'
    assert members('huggingface') == members('nothing') == []


def test_commands_name_what_does_not_come_by_itself() -> None:
    command = 'python tools/prepare_checkpoints.py'
    assert TABLE['dino/vitbase16'].command == f'{command} dino'
    assert TABLE['clip/ViT-L-14'].command == f'{command} clip --weights ViT-L-14'
    large = TABLE['llamagen/c2i_3B_384']
    assert large.command == f'{command} llamagen --weights c2i_3B_384'
    assert {e.command for e in members('huggingface/gpt2')} == {
        f'{command} huggingface --weights gpt2'
    }
    for weights in ('gpt2', 'gpt2-medium'):
        assert [e.weights for e in members(f'huggingface/{weights}')] == [
            f'{weights}/{file}'
            for file in ('config.json', 'generation_config.json', 'model.safetensors')
        ]
