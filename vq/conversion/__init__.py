"""Published checkpoints in and out: their keys and files, and ours."""

from vq.conversion.diffusers import Diffusers
from vq.conversion.family import AutoencoderFamily, Family
from vq.conversion.llamagen import LlamaGen
from vq.conversion.lpips import LPIPSFamily
from vq.conversion.rules import ConversionError, Renamed
from vq.conversion.taming import Taming

FAMILIES: dict[str, Family] = {
    family.name: family for family in (Taming(), LlamaGen(), Diffusers(), LPIPSFamily())
}

__all__ = [
    'FAMILIES',
    'AutoencoderFamily',
    'ConversionError',
    'Diffusers',
    'Family',
    'LPIPSFamily',
    'LlamaGen',
    'Renamed',
    'Taming',
]
