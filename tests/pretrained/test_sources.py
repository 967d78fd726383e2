"""Files are looked for nearby, in mirrors, and at their publishers."""

from pathlib import Path

import lpips

from vq.pretrained.sources import mirrored, sources
from vq.pretrained.table import TABLE

VGG16 = TABLE['torchvision/vgg16']
TAMING = TABLE['taming_transformers/imagenet_f16_1024']


def test_the_publisher_comes_last(tmp_path: Path) -> None:
    assert sources(VGG16, root=tmp_path) == [VGG16.url]
    package = Path(lpips.__file__).parent / 'weights/v0.1/vgg.pth'
    heads = TABLE['lpips/vgg']
    assert sources(heads, root=tmp_path) == [package.as_uri(), heads.url]


def test_a_twin_is_copied(tmp_path: Path) -> None:
    twin, entry = TABLE['pytorch_fid/inception'], TABLE['inception/torch_fidelity']
    (tmp_path / 'pytorch-fid').mkdir()
    (tmp_path / twin.file).touch()
    assert sources(entry, root=tmp_path) == [(tmp_path / twin.file).as_uri(), entry.url]
    assert sources(twin, root=tmp_path) == [twin.url]  # not from itself


def test_places_in_a_mirror_url() -> None:
    assert mirrored(VGG16, 'https://m.org/a/') == [
        'https://m.org/a/download.pytorch.org/models/vgg16-397923af.pth',
        'https://m.org/a/models/vgg16-397923af.pth',
        'https://m.org/a/torch/vgg16-397923af.pth',
        'https://m.org/a/vgg16-397923af.pth',
    ]
    share, query = 'd/8088892a516d4e3baf92/files/', '?p=%2Fckpts%2Flast.ckpt&dl=1'
    assert mirrored(TAMING, 'http://m.org') == [
        f'http://m.org/heibox.uni-heidelberg.de/{share}{query}',
        f'http://m.org/{share}{query}',
        'http://m.org/taming-transformers/vqgan_imagenet_f16_1024.pth',
        'http://m.org/vqgan_imagenet_f16_1024.pth',
    ]


def test_places_in_a_mirror_folder(tmp_path: Path) -> None:
    assert mirrored(VGG16, str(tmp_path)) == []
    places = ['vgg16-397923af.pth', 'download.pytorch.org/models/vgg16-397923af.pth']
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    found = mirrored(VGG16, str(tmp_path))
    assert found == [(tmp_path / place).as_uri() for place in reversed(places)]
    dino = TABLE['dino/vitbase16']
    (tmp_path / 'dino_vitbase16_pretrain.pth').touch()  # as it is published
    assert len(mirrored(dino, str(tmp_path))) == 1
