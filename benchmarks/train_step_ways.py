"""The ways to train on a batch that benchmarks/train_step.py compares.

Each has the network, the losses and the optimizers of `CONFIG`, and random weights;
they differ in what they compute on the way to the same two updates.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import torchvision
from einops import rearrange
from torch import Tensor, nn
from torchvision.models import vgg16

from vq.config import load
from vq.models import vqgan
from vq.models.losses import LPIPS
from vq.runners.base import build_model
from vq.runners.strategies import DDPStrategy
from vq.runners.updates import OptimizerUpdate, Updates
from vq.types import Batch, Reconstruction

CONFIG = 'configs/vqgan/8192_imagenet_ddp.py'
MODEL = '.trainer.model'
LAST_TAP = 29  # the layer of VGG16 whose output is LPIPS's last


@dataclass(frozen=True)
class Settings:
    """What all ways have in common.

    Attributes:
        size: Side of the images in pixels.
        batch: Images an iteration.
        width: Of the autoencoder's first level; None is the config's.
        device: 'cpu' or 'cuda'.
        threads: Of one process, on the CPU.
        taming: The folder of taming-transformers, for the way of that name.
    """

    size: int
    batch: int
    width: int | None
    device: str
    threads: int
    taming: Path | None


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        step: Runs one iteration.
        parts: The modules whose forward passes are counted, by name.
    """

    step: Callable[[], None]
    parts: Mapping[str, nn.Module]


class PlainLPIPS(LPIPS):
    """LPIPS that leaves the gradient to autograd, which passes the trunk twice."""

    def forward(self, reconstruction: Tensor, image: Tensor) -> Tensor:
        return self.distance(self.features(reconstruction), self.features(image))


class WholeVGG(PlainLPIPS):
    """LPIPS that runs VGG16 to its end, the classifier included, as the reference."""

    def __init__(self) -> None:
        super().__init__(trunk='random')
        whole = vgg16(weights=None, init_weights=False)
        rest = [whole.features[LAST_TAP + 1 :], whole.avgpool, nn.Flatten()]
        self.rest = nn.Sequential(*rest, whole.classifier)
        self.freeze()
        self.trunk[LAST_TAP].register_forward_hook(self._go_on)

    def _go_on(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.rest(output)


def pictures(settings: Settings) -> Tensor:
    """Return random images, uint8, (b, 3, h, w)."""
    shape = (settings.batch, 3, settings.size, settings.size)
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    return image.to(settings.device)


def _model(settings: Settings, forward: str) -> tuple[nn.Module, Any]:
    """Return the config's model, and its trainer's config."""
    overrides: dict[str, Any] = {
        f'{MODEL}.reconstruction_losses.lpips_loss.trunk': 'random',
        f'{MODEL}.discriminator_forward': forward,
    }
    if settings.width is not None:
        overrides[f'{MODEL}.tokenizer.encoder.width'] = settings.width
        overrides[f'{MODEL}.decoder.width'] = settings.width
    trainer = load(CONFIG, overrides=overrides).trainer
    return build_model(trainer.model), trainer


def _way(
    settings: Settings, model: Any, trainer: Any, *, channels_last: bool = False
) -> Way:
    """Train `model` as the trainer does, through its own updates."""
    strategy = DDPStrategy(channels_last=channels_last)
    strategy.device = torch.device(settings.device)
    strategy.place(model.train(), training=True)
    updates = Updates()
    for name, spec in trainer.optimizers.items():
        updates[name] = OptimizerUpdate(
            name=name, spec=spec, schedule=None, model=model, strategy=strategy
        )
    image = pictures(settings)
    index = torch.arange(settings.batch, device=settings.device)
    batch = Batch(image, index, index, [''] * settings.batch)
    parts = dict(
        encoder=model.tokenizer.encoder,
        decoder=model.decoder,
        trunk=model.reconstruction_losses['lpips_loss'].lpips.trunk[0],
        discriminator=model.discriminator,
    )
    return Way(lambda: model.train_step(batch, updates) and None, parts)


def ours(settings: Settings) -> Way:
    """Return what `python -m vq.train` does with the config."""
    return _way(settings, *_model(settings, 'shared'))


def ours_nhwc(settings: Settings) -> Way:
    """Return the same with `.trainer.strategy.channels_last:True`."""
    return _way(settings, *_model(settings, 'shared'), channels_last=True)


def _plainly(model: nn.Module, trainer: Any, lpips: LPIPS) -> None:
    """Go back through networks as often as autograd is asked; torch's plain Adam."""
    lpips.load_pretrained()
    model.get_submodule('reconstruction_losses.lpips_loss').lpips = lpips
    # For good: this way has a process of its own.
    patch.object(vqgan, 'differentiated_once', lambda function, x: function(x)).start()
    for optimizer in trainer.optimizers.values():
        optimizer.fused = False


def reference(settings: Settings) -> Way:
    """Return the reference's work.

    The discriminator's step reconstructs anew, and VGG16 runs to its end.
    """
    model, trainer = _model(settings, 'repeated')
    _plainly(model, trainer, WholeVGG())
    return _way(settings, model, trainer)


def taming_like(settings: Settings) -> Way:
    """Return taming's work on our network.

    The discriminator's step reconstructs anew, and computes all losses of the
    reconstruction, of which it then needs none.
    """
    model, trainer = _model(settings, 'repeated')
    _plainly(model, trainer, PlainLPIPS(trunk='random'))
    model.register_forward_hook(_losses_for_nothing)
    return _way(settings, model, trainer)


def _losses_for_nothing(
    model: nn.Module, args: tuple[Tensor], output: Reconstruction
) -> None:
    if not torch.is_grad_enabled():  # else it is the generator's step
        for loss in model.get_submodule('reconstruction_losses').children():
            loss(output.image, args[0])


class Lightning(nn.Module):
    """What taming's model needs of Lightning's module."""

    global_step = 0
    learning_rate = 4.5e-6

    def log(self, *args: Any, **kwargs: Any) -> None: ...

    def log_dict(self, *args: Any, **kwargs: Any) -> None: ...


def _instantiate(config: Mapping[str, Any]) -> Any:
    module, name = config['target'].rsplit('.', 1)
    return getattr(__import__(module, fromlist=[name]), name)(**config['params'])


def _taming_model(folder: Path, width: int, size: int) -> Any:
    """Build taming's VQModel as its ImageNet config does, 8,192 codes, no weights."""
    stubs = dict(pytorch_lightning=ModuleType('pytorch_lightning'))
    stubs['pytorch_lightning'].LightningModule = Lightning  # type: ignore[attr-defined]
    stubs['main'] = stubs['taming.main'] = ModuleType('main')
    stubs['main'].instantiate_from_config = _instantiate  # type: ignore[attr-defined]
    for name in ('requests', 'tqdm'):  # for downloads, which do not happen
        if find_spec(name) is None:
            stubs[name] = ModuleType(name)
            stubs[name].tqdm = None  # type: ignore[attr-defined]
    sys.modules.update(stubs)
    sys.path.insert(0, str(folder))
    from taming.models.vqgan import VQModel  # type: ignore[import-not-found]
    from taming.modules.losses.lpips import LPIPS  # type: ignore[import-not-found]

    autoencoder = dict(
        double_z=False,
        z_channels=256,
        resolution=size,
        in_channels=3,
        out_ch=3,
        ch=width,
        ch_mult=[1, 1, 2, 2, 4],
        num_res_blocks=2,
        attn_resolutions=[size // 16],
        dropout=0.0,
    )
    losses = dict(
        target='taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
        params=dict(disc_start=0, disc_weight=0.8),
    )
    with (
        patch.object(
            torchvision.models, 'vgg16', lambda **_: vgg16(init_weights=False)
        ),
        patch.object(LPIPS, 'load_from_pretrained', lambda self: None),
    ):
        return VQModel(autoencoder, losses, n_embed=8192, embed_dim=256)


def check_taming(folder: Path | None) -> Path:
    """Return the folder of taming-transformers as an absolute one.

    Raises:
        FileNotFoundError: It does not hold that code.
    """
    resolved = (folder or Path()).resolve()
    model_file = resolved / 'taming' / 'models' / 'vqgan.py'
    if not model_file.is_file():
        raise FileNotFoundError(
            f'--taming wants the folder of a copy of taming-transformers, but '
            f'{model_file} does not exist'
        )
    return resolved


def taming(settings: Settings) -> Way:
    """Return taming-transformers' own code, its two optimizers as Lightning runs them.

    Raises:
        FileNotFoundError: The folder does not hold that code.
    """
    folder = check_taming(settings.taming)
    model = _taming_model(folder, settings.width or 128, settings.size)
    model.to(settings.device).train()
    optimizers, _ = model.configure_optimizers()
    image = pictures(settings).float() / 127.5 - 1
    batch = dict(image=rearrange(image, 'b c h w -> b h w c'))

    def step() -> None:
        for index, optimizer in enumerate(optimizers):
            model.requires_grad_(False)
            for group in optimizer.param_groups:
                for parameter in group['params']:
                    parameter.requires_grad_(True)
            loss = model.training_step(batch, 0, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    parts = dict(
        encoder=model.encoder,
        decoder=model.decoder,
        trunk=model.loss.perceptual_loss.net,
        discriminator=model.loss.discriminator,
    )
    return Way(step, parts)


WAYS: dict[str, Callable[[Settings], Way]] = {
    'ours': ours,
    'ours, NHWC': ours_nhwc,
    'reference': reference,
    'taming-like': taming_like,
    'taming': taming,
}
