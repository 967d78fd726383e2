"""What is used and never trained, and what takes its weights from files."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from vq import dry_run, paths, pretrained
from vq.checkpoints.files import CheckpointError, read_file, sha256
from vq.checkpoints.weights import check_fit

_logger = logging.getLogger(__name__)
RANDOM = 'random'  # the stamp of weights that come from no file
LISTED_DEPTH = 2  # of the parts that an error lists: 'tokenizer.encoder'
CONTAINERS = ('state_dict', 'model')  # where training programs keep them in a file


class Pretrained(nn.Module):
    """A network that takes weights from a file of its own.

    One that is trained needs the file where a run is started or resumed: elsewhere its
    weights come from checkpoints.
    """

    def load_pretrained(self) -> None:
        """Load the weights from their file; called once, after building."""


class FrozenModule(Pretrained):
    """A network that is used and never trained: a teacher, a perceptual loss.

    It stays in eval mode, it contributes nothing to state dicts, and a strict load
    does not miss it: its weights come from a file of their own. Subclasses call
    `freeze` at the end of their constructor.
    """

    def freeze(self) -> None:
        """Let no parameter require a gradient, and enter eval mode."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode whatever `mode` says, and stay frozen."""
        del mode
        self.requires_grad_(False)
        return super().train(False)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return what was there before: the weights are not part of a checkpoint."""
        destination = args[0] if args else kwargs.get('destination')
        return OrderedDict() if destination is None else destination

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        # The sub-modules load from this dict next: what a checkpoint lacks they
        # find here as it is, so that nothing is missing.
        for name, tensor in super().state_dict().items():
            state_dict.setdefault(prefix + name, tensor)
        super()._load_from_state_dict(state_dict, prefix, *args)


class PartlyFrozen(nn.Module):
    """A system some of whose parts are used and never trained.

    They stay in eval mode, so that norms and codebooks keep their buffers, and require
    no gradient. Unlike a `FrozenModule` they are in the state dict, since their weights
    are chosen at run time; checkpoints leave them out by `frozen_parts` and name the
    files instead. Subclasses call `freeze` at the end of their constructor.

    Attributes:
        frozen_parts: Names of the parts, such as 'tokenizer' or 'tokenizer.encoder'.
    """

    frozen_parts: tuple[str, ...] = ()

    def freeze(self, parts: Sequence[str]) -> None:
        """Freeze parts for good.

        Args:
            parts: Dotted names of sub-modules.

        Raises:
            ValueError: A name fits no part; the parts are listed.
        """
        if isinstance(parts, str):
            raise ValueError(
                f'frozen takes a list of names, got {parts!r}; write [{parts!r}]'
            )
        known = {name: module for name, module in self.named_modules() if name}
        for name in parts:
            if name not in known:
                near = [part for part in known if part.count('.') < LISTED_DEPTH]
                raise ValueError(
                    f'frozen: {type(self).__name__} has no part {name!r}; there are '
                    f'{", ".join(near)}, and their parts'
                )
        self.frozen_parts = tuple(
            name
            for name in dict.fromkeys(parts)
            if not any(name.startswith(f'{other}.') for other in parts)
        )
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all parts but the frozen ones, which stay frozen."""
        super().train(mode)
        for name in self.frozen_parts:
            self.get_submodule(name).requires_grad_(False).eval()
        return self


class FrozenNetwork(FrozenModule):
    """A published network that takes its weights from one local file.

    A subclass builds `self.network` and then calls `freeze`; where the file has other
    names than the network, it overrides `_load`.

    Args:
        weights: An entry of `vq.pretrained`, such as 'pytorch_fid/inception', or a
            path.

    Attributes:
        sha256: Of the file; 'random' before it is read.
    """

    network: nn.Module

    def __init__(self, *, weights: str) -> None:
        super().__init__()
        self.weights = weights
        self.sha256 = RANDOM

    def load_pretrained(self) -> None:
        """Load the weights from their file.

        Raises:
            FileNotFoundError: It is missing; in a dry run that is only a warning.
            CheckpointError: It is damaged, or holds another network.
        """
        path = unless_dry(self._path, self)
        if path is not None:
            self._load(self._read(path), path)
            self.sha256 = sha256(path)

    def _path(self) -> Path:
        return find_weights(self.weights)

    def _read(self, path: Path) -> dict[str, Tensor]:
        """Return the weights in a file."""
        return read_weights(path)

    def _load(self, weights: Mapping[str, Tensor], source: Path) -> None:
        """Load what the file holds into the network."""
        own = self.network.state_dict()
        # Only training counts the batches that a norm has seen; files may lack it.
        counts = {key: own[key] for key in own if key.endswith('num_batches_tracked')}
        complete = counts | dict(weights)
        check_fit(self.network, complete, source)
        self.network.load_state_dict(complete)


def find_weights(name: str) -> Path:
    """Return the file, or folder, of an entry of `vq.pretrained` or of a path.

    Raises:
        FileNotFoundError: It is missing.
    """
    if pretrained.is_entry(name):
        return pretrained.find(name)
    return paths.resolve_input(name)


def unless_dry(find: Callable[[], Path], network: nn.Module) -> Path | None:
    """Return what `find` does; where it is missing, a dry run goes on without.

    Raises:
        FileNotFoundError: It is missing, and this is no dry run.
    """
    try:
        return find()
    except FileNotFoundError as error:
        if not dry_run.enabled():
            raise
        name = type(network).__name__
        _logger.warning('dry run: %s is random: %s', name, error)
        return None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file, also from one container of a training program.

    Raises:
        CheckpointError: It is damaged, or holds something else.
    """
    weights = read_file(path)
    for key in CONTAINERS:
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    if not isinstance(weights, dict) or not all(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise CheckpointError(
            f'{path} holds no weights: a state dict is wanted, alone or as '
            f'{" or ".join(map(repr, CONTAINERS))}'
        )
    return weights
