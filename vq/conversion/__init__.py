"""Published checkpoints in and out: their keys and files, and ours."""

from vq.config.errors import nearest
from vq.conversion.beitv2 import BEiTv2
from vq.conversion.diffusers import Diffusers
from vq.conversion.family import AutoencoderFamily, Family
from vq.conversion.llamagen import LlamaGen
from vq.conversion.llamagen_gpt import LlamaGenGPT
from vq.conversion.lpips import LPIPSFamily
from vq.conversion.movqgan import MoVQGAN
from vq.conversion.rules import ConversionError, Renamed
from vq.conversion.taming import Taming
from vq.conversion.transformers import Transformers

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Taming(),
        MoVQGAN(),
        LlamaGen(),
        LlamaGenGPT(),
        BEiTv2(),
        Diffusers(),
        Transformers(),
        LPIPSFamily(),
    )
}
# The groups of tools/prepare_checkpoints.py are names, too.
ALIASES = {'taming_transformers': 'taming'}


def find(name: str) -> Family:
    """Return a family by its name.

    Raises:
        ConversionError: There is none of that name.
    """
    name = ALIASES.get(name, name)
    if name not in FAMILIES:
        raise ConversionError(
            f'there is no family {name!r}; {nearest(name, list(FAMILIES))}'
        )
    return FAMILIES[name]


__all__ = [
    'FAMILIES',
    'AutoencoderFamily',
    'BEiTv2',
    'ConversionError',
    'Diffusers',
    'Family',
    'LPIPSFamily',
    'LlamaGen',
    'LlamaGenGPT',
    'MoVQGAN',
    'Renamed',
    'Taming',
    'Transformers',
    'find',
]
