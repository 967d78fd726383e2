"""What every family of published checkpoints offers, and what autoencoders share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vq.config.errors import nearest
from vq.conversion import discriminators, structure
from vq.conversion.rules import ConversionError, Renamed, Table
from vq.models.decoders import ConvDecoder
from vq.models.encoders import ConvEncoder
from vq.models.norms import NORM_GROUPS
from vq.models.reconstructor import Reconstructor

Weights = Mapping[str, Tensor]
_CONNECTOR = {
    True: 'no 1x1 convolution, which the format demands',
    False: "a 1x1 convolution before MoVQDecoder's own, which the format lacks",
}


class Family(ABC):
    """Checkpoints of one published code base.

    Attributes:
        name: What the commands call it.
        options: What `--options` may set, with the defaults.
        containers: Keys under which a file may hold the weights, the first one wins.
        beside: Further containers whose weights belong to the network, and the prefix
            that their keys get.
        file: Name of an exported file or folder; '' for a family that is only read.
        parts: Names of the only parts of our model that it holds; none means all.
    """

    name: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    containers: ClassVar[tuple[str, ...]] = ('state_dict', 'model')
    beside: ClassVar[Mapping[str, str]] = {}
    file: ClassVar[str] = ''
    parts: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def to_ours(self, weights: Weights, **options: Any) -> Renamed:
        """Return published weights in our words.

        Raises:
            ConversionError: A key is unknown, missing, or two become one.
        """

    @abstractmethod
    def from_ours(self, weights: Weights) -> Renamed:
        """Return our weights in theirs; raises as `to_ours` does."""

    def model_config(
        self,
        weights: Weights,
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any] | None:
        """Return the config of our model for published weights; None for no model.

        Args:
            weights: By their published names.
            settings: What lay beside them: config.json.
            options: As for `to_ours`.
        """
        del weights, settings, options
        return None

    def told(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that lay beside the weights, in config.json."""
        del settings
        return {}

    def obstacles(self, model: nn.Module) -> list[str]:
        """Say which parts of our model this format cannot hold, and why."""
        return [f'{type(model).__name__}: this family is only read']

    def for_export(
        self, weights: Weights, model: nn.Module
    ) -> tuple[dict[str, Tensor], str]:
        """Return our weights as the format wants their numbers, and what was changed.

        Args:
            weights: Ours, by our names.
            model: The model they are of.

        Returns:
            All weights, and a sentence for the record, '' where they are as they were.
        """
        del model
        return dict(weights), ''

    def write(
        self, path: Path, weights: Weights, model: nn.Module, *, image_size: int
    ) -> list[Path]:
        """Write published weights as this family's code reads them.

        Args:
            path: The file, or the folder.
            weights: By their published names.
            model: Ours that they come from.
            image_size: Pixels that the network was trained on.

        Returns:
            The files written.

        Raises:
            ConversionError: This family is only read.
        """
        raise ConversionError(f'{self.name}: this family is only read')

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, given ones over the defaults.

        Raises:
            ConversionError: One is unknown, or of another type than its default.
        """
        for name, value in options.items():
            if name not in self.options:
                known = nearest(name, list(self.options)) if self.options else 'none'
                raise ConversionError(f'{self.name} has no option {name!r}; {known}')
            kind = type(self.options[name])
            if not isinstance(value, kind):
                raise ConversionError(
                    f'{self.name}: {name} is a {kind.__name__}, got {value!r}'
                )
        return {**self.options, **options}


class AutoencoderFamily(Family):
    """Checkpoints of a convolutional autoencoder with a codebook.

    Attributes:
        norm_groups: Groups of its normalisations; None where a file tells them.
        discriminators: Kinds that its checkpoints may hold, see `discriminators.kind`.
        decoders: Classes of the decoders that it may hold.
    """

    norm_groups: ClassVar[int | None] = NORM_GROUPS
    discriminators: ClassVar[tuple[str, ...]] = ()
    decoders: ClassVar[tuple[type[nn.Module], ...]] = (ConvDecoder,)

    @abstractmethod
    def table(self, weights: Weights) -> Table:
        """Return the rules for weights of either side."""

    @abstractmethod
    def training(self, **options: Any) -> dict[str, Any]:
        """Return what the shapes do not tell: arguments of `vqgan_config`."""

    @abstractmethod
    def quantizer_obstacle(self, quantizer: nn.Module) -> str:
        """Say why the format cannot hold a quantizer; '' where it can."""

    @abstractmethod
    def layout_obstacles(
        self, encoder: Mapping[str, Any], decoder: Mapping[str, Any]
    ) -> list[str]:
        """Say what of the two networks' configs the format cannot hold."""

    def to_ours(self, weights: Weights, **options: Any) -> Renamed:
        """Rename, and check that the result is a whole network."""
        options = self.checked(options)
        renamed = self.table(weights).to_ours(weights)
        # Groups change no shape: 1 fits every width.
        config = self._config(renamed.weights, norm_groups=1, **options)
        structure.check_whole(renamed.weights, config)
        return renamed

    def from_ours(self, weights: Weights) -> Renamed:
        """Rename; a discriminator without a place is left out, and that is told."""
        table = self.table(weights)
        if discriminators.kind(weights) not in self.discriminators:
            table = replace(table, omitted=(*table.omitted, discriminators.OMITTED))
        return table.from_ours(weights)

    def model_config(
        self,
        weights: Weights,
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Infer a VQGAN's config from names and shapes."""
        groups = self.norm_groups or (settings or {}).get(
            'norm_num_groups', NORM_GROUPS
        )
        ours = self.table(weights).to_ours(weights).weights
        return self._config(ours, norm_groups=groups, **self.checked(options))

    def obstacles(self, model: nn.Module) -> list[str]:
        """Name the parts that have no place in the format."""
        if not isinstance(model, Reconstructor):
            return [f'model: {type(model).__name__} is no tokenizer with a decoder']
        parts: dict[str, tuple[type[nn.Module], ...]] = {
            'tokenizer.encoder': (ConvEncoder,),
            'decoder': self.decoders,
        }
        found = [
            f'{name}: {type(part).__name__} is no '
            + ' or '.join(kind.__name__ for kind in kinds)
            for name, kinds in parts.items()
            if type(part := model.get_submodule(name)) not in kinds
        ]
        weights = model.state_dict()
        has = {
            'tokenizer.post_encode': True,
            'pre_decode': not structure.modulated(weights),
        }
        for name, wanted in has.items():
            if (f'{name}.conv.weight' in weights) != wanted:
                found.append(f'{name}: {_CONNECTOR[wanted]}')
        if hasattr(model, 'transformer'):
            found.append('transformer: this is a format of tokenizers')
        if reason := self.quantizer_obstacle(model.tokenizer.quantizer):
            found.append(f'tokenizer.quantizer: {reason}')
        return found or self._network_obstacles(model, weights)

    def _network_obstacles(self, model: nn.Module, weights: Weights) -> list[str]:
        groups = [
            _groups(model.get_submodule(name))
            for name in ('tokenizer.encoder', 'decoder')
        ]
        encoder = structure.encoder_config(weights, norm_groups=groups[0])
        decoder = structure.decoder_config(
            weights, width=encoder['width'], norm_groups=groups[1]
        )
        found = []
        for name, config in (('tokenizer.encoder', encoder), ('decoder', decoder)):
            number = config['norm_groups']
            if self.norm_groups not in (None, number):
                found.append(f'{name}: norm_groups {number}, not {self.norm_groups}')
            if not config['refine']:
                found.append(f'{name}: refine=False; the format always has the block')
        return [*found, *self.layout_obstacles(encoder, decoder)]

    def _config(
        self, ours: Weights, *, norm_groups: int, **options: Any
    ) -> dict[str, Any]:
        training = self.training(**options)
        return structure.vqgan_config(ours, norm_groups=norm_groups, **training)


def _groups(part: nn.Module) -> int:
    """Return the groups of an encoder's or decoder's normalisations."""
    return next(m.num_groups for m in part.modules() if isinstance(m, nn.GroupNorm))


def mirror_obstacles(
    encoder: Mapping[str, Any], decoder: Mapping[str, Any], *, keys: tuple[str, ...]
) -> list[str]:
    """Say where a decoder is not its encoder reversed, with one block more a level.

    Args:
        encoder: Config of a ConvEncoder.
        decoder: Config of a ConvDecoder.
        keys: What is compared, of width, width_mults, depth, attention, latent_dim.
    """
    last = len(encoder['width_mults']) - 1
    expected = dict(
        encoder,
        width_mults=encoder['width_mults'][::-1],
        depth=encoder['depth'] + 1,
        attention=tuple(last - level for level in reversed(encoder['attention'])),
    )
    return [
        f'decoder: {key}={decoder[key]!r}, not {expected[key]!r} as its encoder asks'
        for key in keys
        if decoder[key] != expected[key]
    ]


def save(content: Any, path: Path) -> None:
    """Write a file of torch.save that appears whole or not at all."""
    aside = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        torch.save(content, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
