"""What checkpoints of transformers over tokens share, and the config that fits one."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vq.conversion import structure
from vq.conversion.family import Family, Weights
from vq.conversion.rules import Renamed, Table
from vq.models.transformers import TokenHead, TokenTransformer
from vq.registry import MODELS

PART = 'transformer'
BLOCK = 'transformer.body.blocks.{block}.'
EMBEDDING = 'transformer.embedding.weight'
HEAD = 'transformer.head.linear.weight'

# Arguments of a transformer that change nothing of what it computes.
_TRAINING = ('dropout', 'attention_dropout', 'checkpointing', 'weights')
# Those of the network that do, and what they are by default.
_MODEL = dict(classes=0, tied_head=False, factors=None)


class ProposalFamily(Family):
    """Checkpoints of a transformer; the tokenizer is a file of its own.

    Where we have one tensor and they have several, `for_export` takes ours apart, and
    the table has a rule for each piece.
    """

    parts = (PART,)

    @abstractmethod
    def table(self, weights: Weights) -> Table:
        """Return the rules for weights of either side."""

    @abstractmethod
    def sizes(self, weights: Weights, **options: Any) -> dict[str, Any]:
        """Return the config of our transformer for published weights.

        Raises:
            ConversionError: A weight that tells a size is missing.
        """

    @abstractmethod
    def vocabulary(self, weights: Weights, **options: Any) -> tuple[int, int]:
        """Return the numbers of codes and of classes."""

    @abstractmethod
    def together(self, weights: Weights, network: TokenTransformer) -> Weights:
        """Undo `for_export`, by our names."""

    def tied(self, weights: Weights) -> bool:
        """Tell whether published weights have no head but the embedding."""
        del weights
        return False

    def ordered(self, weights: Weights, **options: Any) -> dict[str, Tensor]:
        """Return published weights whose rows are those that we count."""
        del options
        return dict(weights)

    def to_ours(self, weights: Weights, **options: Any) -> Renamed:
        """Check that the weights are a whole network, then rename."""
        options = self.checked(options)
        weights = self.ordered(weights, **options)
        renamed = self.table(weights).to_ours(weights)
        model = self._model(weights, **options)
        network = model.get_submodule(PART)
        pieces, _ = self.for_export(model.state_dict(), model)
        used = {key: weights[key] for key in renamed.mapped.values()}
        structure.check_same(used, self.from_ours(pieces).weights)
        assert isinstance(network, TokenTransformer)
        ours = dict(self.together(renamed.weights, network))
        return Renamed(ours, renamed.mapped, renamed.dropped)

    def from_ours(self, weights: Weights) -> Renamed:
        """Rename the pieces that `for_export` returned."""
        return self.table(weights).from_ours(weights)

    def model_config(
        self,
        weights: Weights,
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Infer what a proposal network adds to its tokenizer."""
        del settings
        options = self.checked(options)
        weights = self.ordered(weights, **options)
        _, classes = self.vocabulary(weights, **options)
        config: dict[str, Any] = dict(type='ProposalNetwork', classes=classes)
        if self.tied(weights):
            config['tied_head'] = True
        return config | dict(transformer=self.sizes(weights, **options))

    def obstacles(self, model: nn.Module) -> list[str]:
        """Name what has no place in the format."""
        network = getattr(model, PART, None)
        if not isinstance(network, TokenTransformer):
            return [f'model: {type(model).__name__} has no transformer over tokens']
        number = len(network.token_sizes)
        if number > 1:
            return [
                f'transformer: its tokens have {number} sub-tokens, and the format has '
                'one number for each position'
            ]
        return self.body_obstacles(network)

    @abstractmethod
    def body_obstacles(self, network: TokenTransformer) -> list[str]:
        """Name what of a transformer with plain tokens has no place in the format."""

    def _model(self, weights: Weights, **options: Any) -> nn.Module:
        """Return our network for published weights, on the meta device."""
        codes, classes = self.vocabulary(weights, **options)
        with torch.device('meta'):
            body = MODELS.build(self.sizes(weights, **options))
            head = TokenHead(dim=body.dim, token_sizes=[codes])
            network = TokenTransformer(
                body=body,
                head=None if self.tied(weights) else head,
                token_sizes=[codes],
                classes=classes,
            )
        return nn.ModuleDict({PART: network})


def computes(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides what a proposal network computes, tokenizer left out.

    Args:
        model: Config of the network.
    """
    body = model[PART]
    kind: Any = MODELS.find(body['type'])
    arguments = inspect.signature(kind).parameters
    filled = {
        name: body.get(name, argument.default)
        for name, argument in arguments.items()
        if name not in _TRAINING
    }
    filled['grid'] = tuple(filled['grid'])
    filled |= {key: model.get(key) or default for key, default in _MODEL.items()}
    return dict(filled, type=body['type'])


def chunked(weights: Weights, name: str, number: int) -> dict[str, Tensor]:
    """Return weights with each tensor of the modules `name` cut into equal pieces.

    Those of `attention.qkv.weight` are `attention.qkv.0.weight` and so on.
    """
    cut: dict[str, Tensor] = {}
    for key, weight in weights.items():
        module, _, leaf = key.rpartition('.')
        if not module.endswith(f'.{name}'):
            cut[key] = weight
            continue
        for i, piece in enumerate(weight.chunk(number)):
            cut[f'{module}.{i}.{leaf}'] = piece
    return cut


def joined(weights: Weights, name: str) -> dict[str, Tensor]:
    """Undo `chunked`; the pieces may come in any order."""
    whole: dict[str, Tensor] = {}
    for key, weight in weights.items():
        module, _, leaf = key.rpartition('.')
        stem, _, piece = module.rpartition('.')
        if not stem.endswith(f'.{name}'):
            whole[key] = weight
        elif piece == '0':
            pieces: list[Tensor] = []
            while f'{stem}.{len(pieces)}.{leaf}' in weights:
                pieces.append(weights[f'{stem}.{len(pieces)}.{leaf}'])
            whole[f'{stem}.{leaf}'] = torch.cat(pieces)
    return whole


def transformer_of(model: nn.Module) -> TokenTransformer:
    """Return the transformer of a proposal network."""
    network = model.get_submodule(PART)
    assert isinstance(network, TokenTransformer)
    return network


def normalises(body: nn.Module) -> bool:
    """Tell whether a transformer normalises queries and keys."""
    return any('query_norm' in key for key in body.state_dict())
