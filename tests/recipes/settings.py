"""The examples as dicts, and small ones of their kind."""

import copy
import json
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).with_name('examples')
DDCONFIG: dict[str, Any] = dict(
    double_z=False,
    z_channels=8,
    resolution=32,
    in_channels=3,
    out_ch=3,
    ch=32,
    ch_mult=[1, 2],
    num_res_blocks=1,
    attn_resolutions=[16],
    dropout=0.0,
)
LOSS = 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator'


def small(name='taming.models.vqgan.VQModel', **params: Any) -> dict[str, Any]:
    """Return the settings of a tiny model; `params` change those of the model."""
    lossconfig = dict(target=LOSS, params=dict(disc_start=3, disc_ndf=8))
    told = dict(n_embed=16, embed_dim=8, ddconfig=dict(DDCONFIG), lossconfig=lossconfig)
    return dict(model=dict(target=name, params=copy.deepcopy(told | params)))


def example(name: str) -> dict[str, Any]:
    """Return what an example of YAML or JSON says."""
    text = (EXAMPLES / name).read_text()
    tree: dict[str, Any] = json.loads(text) if name[-1] == 'n' else yaml.safe_load(text)
    return tree
