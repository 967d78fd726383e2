"""Which published files vq uses: where they come from and where they lie.

Nothing here was downloaded when the table was written. A comment says where a URL was
read. A checksum is there only if its first digits are in the file's published name or
URL, or if the same bytes lie in an installed package; where it is longer than the
name's, several public scripts agree on it. The others are recorded at their first
download (see checksums.py). Sizes in `about` are rounded.
"""

from pathlib import PurePosixPath

from vq.pretrained.entry import Entry
from vq.pretrained.teachers import HUGGINGFACE, MB, TEACHERS

GITHUB = 'https://github.com'
HEIBOX = 'https://heibox.uni-heidelberg.de'
TORCH = 'https://download.pytorch.org/models'

FULL_SHA256 = 64  # hex digits

# Two projects publish the same bytes under two names.
INCEPTION = '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2'
VGG16 = '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0'


def _torchvision(weights: str, sha256: str, about: int, purpose: str) -> Entry:
    # URLs: torchvision.models.*_Weights.DEFAULT.url; a test compares.
    file = f'{weights}-{sha256[:8]}.pth'
    return Entry(
        name=f'torchvision/{weights}',
        file=f'torch/{file}',
        url=f'{TORCH}/{file}',
        licence='BSD-3-Clause',
        purpose=purpose,
        sha256=sha256,
        about=about,
    )


def _gpt2(weights: str) -> list[Entry]:
    # URLs: the form of the hub; the files that transformers reads from a folder.
    files = ('config.json', 'generation_config.json', 'model.safetensors')
    return [
        Entry(
            name=f'huggingface/{weights}/{file}',
            file=f'huggingface/{weights}/{file}',
            url=f'{HUGGINGFACE}/openai-community/{weights}/resolve/main/{file}',
            licence='MIT',
            purpose='initial weights of a proposal network',
            default=weights == 'gpt2-medium',
        )
        for file in files
    ]


def _taming(weights: str, share: str) -> list[Entry]:
    # URLs: the shares in taming-transformers' README and what public scripts append.
    def entry(name: str, suffix: str, path: str, purpose: str) -> Entry:
        return Entry(
            name=f'taming_transformers/{name}',
            file=f'taming-transformers/vqgan_{weights}{suffix}',
            url=f'{HEIBOX}/d/{share}/files/?p={path}&dl=1',
            licence='MIT',
            purpose=purpose,
        )

    return [
        entry(weights, '.pth', '%2Fckpts%2Flast.ckpt', 'published VQGAN tokenizer'),
        entry(f'{weights}.yaml', '.yaml', '%2Fconfigs%2Fmodel.yaml', 'its config'),
    ]


def _llamagen(weights: str, repository: str) -> Entry:
    # URLs: LlamaGen's README.
    return Entry(
        name=f'llamagen/{weights}',
        file=f'llamagen/{weights}.pt',
        url=f'{HUGGINGFACE}/{repository}/resolve/main/{weights}.pt',
        licence='MIT',
        purpose="LlamaGen's tokenizer",
    )


def _llamagen_gpt(weights: str) -> Entry:
    # URLs: LlamaGen's README. They are large, so each is asked for by its name.
    return Entry(
        name=f'llamagen/{weights}',
        file=f'llamagen/{weights}.pt',
        url=f'{HUGGINGFACE}/FoundationVision/LlamaGen/resolve/main/{weights}.pt',
        licence='MIT',
        purpose="LlamaGen's GPT",
        default=False,
    )


def _beitv2(weights: str, sha256: str) -> Entry:
    # URLs: BEiT v2's first release page, as other public scripts use it.
    file = f'vqkd_encoder_base_decoder_{weights}'
    return Entry(
        name=f'beitv2/{weights}',
        file=f'beitv2/{file}.pth',
        url=f'{GITHUB}/addf400/files/releases/download/BEiT-v2/{file}-{sha256}.pth',
        licence='MIT',
        purpose='published VQ-KD tokenizer',
        sha256=sha256,
    )


def _movqgan(weights: str) -> Entry:
    # URLs: MoVQGAN's README.
    return Entry(
        name=f'movqgan/{weights}',
        file=f'movqgan/movqgan_{weights}.ckpt',
        url=f'{HUGGINGFACE}/ai-forever/MoVQGAN/resolve/main/movqgan_{weights}.ckpt',
        licence='',
        purpose='published MoVQGAN tokenizer',
    )


ENTRIES = [
    Entry(
        name='pytorch_fid/inception',
        file='pytorch-fid/pt_inception-2015-12-05-6726825d.pth',
        # pytorch_fid.inception.FID_WEIGHTS_URL; a test compares.
        url=f'{GITHUB}/mseitzer/pytorch-fid/releases/download/fid_weights/'
        'pt_inception-2015-12-05-6726825d.pth',
        licence='Apache-2.0',
        purpose='FID: the Inception network of pytorch-fid',
        sha256=INCEPTION,
        about=96 * MB,
    ),
    Entry(
        name='inception/torch_fidelity',
        file='torch-fidelity/weights-inception-2015-12-05-6726825d.pth',
        # In the documentation of several metric packages.
        url=f'{GITHUB}/toshas/torch-fidelity/releases/download/v0.2.0/'
        'weights-inception-2015-12-05-6726825d.pth',
        licence='Apache-2.0',
        purpose='FID and Inception score: the network of torch-fidelity',
        sha256=INCEPTION,
        about=96 * MB,
    ),
    Entry(
        name='lpips/vgg',
        file='lpips/vgg.pth',
        url=f'{HEIBOX}/f/607503859c864bc1b30b/?dl=1',
        licence='BSD-2-Clause',
        purpose='LPIPS: the linear heads on VGG16',
        # Of lpips 0.1.4's copy, whose MD5 is the one public code expects of this URL.
        sha256='a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868',
        size=7289,
        about=7289,
        package=('lpips', 'weights/v0.1/vgg.pth'),
    ),
    _torchvision('vgg16', VGG16, 553 * MB, 'LPIPS: the trunk'),
    _torchvision('vit_b_16', 'c867db91', 346 * MB, 'teacher: ViT-B/16, supervised'),
    _torchvision('convnext_base', '6075fbad', 354 * MB, 'teacher: ConvNeXt-B'),
    _beitv2('1x768x12_clip', 'd93179da'),
    _beitv2('3x768x12_clip', 'd5036aa7'),
    _beitv2('1x768x12_dino', '663c55d7'),
    *TEACHERS,
    *_gpt2('gpt2-medium'),
    *_gpt2('gpt2'),
    *_taming('imagenet_f16_1024', '8088892a516d4e3baf92'),
    *_taming('imagenet_f16_16384', 'a7530b09fed84f80a887'),
    *_taming('gumbel_f8_8192', '2e5662443a6b4307b470'),
    _llamagen('vq_ds16_c2i', 'FoundationVision/LlamaGen'),
    _llamagen('vq_ds8_c2i', 'FoundationVision/LlamaGen'),
    _llamagen('vq_ds16_t2i', 'peizesun/llamagen_t2i'),
    *map(_llamagen_gpt, ('c2i_B_256', 'c2i_B_384', 'c2i_L_256', 'c2i_L_384')),
    *map(_llamagen_gpt, ('c2i_XL_384', 'c2i_XXL_384', 'c2i_3B_384')),
    *map(_movqgan, ('67M', '102M', '270M')),
]

TABLE = {entry.name: entry for entry in ENTRIES}

# A group's entries also come with it: LPIPS is heads and a trunk.
_SHARED = {'lpips': ('torchvision/vgg16',)}


def groups() -> dict[str, list[Entry]]:
    """Return the entries that each group's word fetches, `--weights` ones included."""
    found: dict[str, list[Entry]] = {}
    for entry in TABLE.values():
        found.setdefault(entry.group, []).append(entry)
    for group, names in _SHARED.items():
        found[group] += [TABLE[name] for name in names]
    return found


def members(name: str) -> list[Entry]:
    """Return the entry of this name, or path, or all below it; none if there is none.

    `huggingface/gpt2-medium` is three files, `pretrained/dino/vitbase16.pth` is one.
    """
    file = name.removeprefix('pretrained/')
    return [
        entry
        for entry in TABLE.values()
        if entry.name == name
        or entry.file == file
        or PurePosixPath(entry.name).is_relative_to(name)
        and name.count('/') > 0
    ]
