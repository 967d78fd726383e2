"""The proposal network: from classes to tokens, and by a frozen decoder to images."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vq.models.layers import same_precision
from vq.models.reconstructor import Reconstructor
from vq.models.transformers import (
    UNKNOWN,
    CompiledSteps,
    FactorisedHead,
    Sampling,
    Steps,
    TokenHead,
    TokenTransformer,
    drop,
    sample,
    uniforms,
)
from vq.registry import MODELS
from vq.types import Batch, Loss, Optimizers, Prediction, Quantized, Reconstruction

SEED = 0  # of what validation samples
SCORED = 32  # images at a time: logits of 16,384 codes are 17 MB each


@MODELS.register_module()
class ProposalNetwork(Reconstructor):
    """An autoregressive transformer over the tokens of a frozen tokenizer.

    It learns to tell each token of an image from its class and the tokens before, in
    raster order; what it samples, the frozen decoder makes pictures of. Where a batch
    brings tokens (a token store) no encoder runs.

    Args:
        tokenizer: Images to quantized latents; frozen.
        pre_decode: See `Reconstructor`; frozen.
        decoder: Latents to images; frozen.
        transformer: Config of a `CausalTransformer`; its `grid` is that of the tokens.
        classes: Number of classes; pictures' categories lie below it. 0 makes the
            network unconditional.
        class_dropout: Probability with which training hides an image's class, so that
            samples can be guided.
        dropout: Of embedded tokens, in training.
        tied_head: Whether a code's logit is the product with its embedding.
        head_depth: Blocks of the head where a token has several sub-tokens.
        factors: Tells the index of one large codebook in several sub-tokens, the digits
            of this mixed radix: (512, 512) for 262,144 codes. None tells it at once.
        sampling: Arguments of `Sampling`, for validation; `vq.generate` begins with
            them.

    Raises:
        ValueError: `classes` or `class_dropout` is out of its range; the product of
            `factors` is not the size of the codebook, or there are several.
    """

    def __init__(
        self,
        *,
        tokenizer: Mapping[str, Any],
        pre_decode: Mapping[str, Any],
        decoder: Mapping[str, Any],
        transformer: Mapping[str, Any],
        classes: int,
        class_dropout: float = 0.0,
        dropout: float = 0.0,
        tied_head: bool = False,
        head_depth: int = 3,
        factors: Sequence[int] | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(tokenizer=tokenizer, pre_decode=pre_decode, decoder=decoder)
        if not isinstance(classes, int) or classes < 0:
            raise ValueError(f'classes must be a number from 0 on, got {classes!r}')
        if not 0 <= class_dropout < 1:
            raise ValueError(f'class_dropout must be in [0, 1), got {class_dropout!r}')
        self.class_dropout = class_dropout
        self.sampling = Sampling(**(sampling or {}))
        body = MODELS.build(transformer)
        sizes = self._sizes(factors)
        head: nn.Module | None = None
        if not tied_head and len(sizes) == 1:
            head = TokenHead(dim=body.dim, token_sizes=sizes)
        elif not tied_head:
            head = FactorisedHead(
                dim=body.dim, token_sizes=sizes, depth=head_depth, heads=body.heads
            )
        self.transformer = TokenTransformer(
            body=body,
            head=head,
            token_sizes=sizes,
            classes=classes,
            dropout=dropout,
            factored=factors is not None,
        )
        self.steps: Steps | None = None
        self.freeze(['tokenizer', 'pre_decode', 'decoder'])

    def _sizes(self, factors: Sequence[int] | None) -> tuple[int, ...]:
        """Return the vocabulary of each sub-token that the network tells."""
        sizes: tuple[int, ...] = tuple(self.tokenizer.quantizer.token_sizes)
        if factors is None:
            return sizes
        if (math.prod(factors),) != sizes:
            raise ValueError(
                f'factors={tuple(factors)} make {math.prod(factors)} codes, but the '
                f'quantizer has {sizes}: set `factors` to numbers whose product is the '
                'size of its one codebook'
            )
        return tuple(factors)

    @property
    def classes(self) -> int:
        """Number of classes; 0 of an unconditional network."""
        return self.transformer.classes

    @property
    def token_grid(self) -> tuple[int, int]:
        """Rows and columns of the tokens that the transformer is for."""
        return self.transformer.body.grid

    @torch.no_grad()
    def tokens(self, batch: Batch) -> Tensor:
        """Return the tokens of a batch, (b, h, w) or (b, h, w, g).

        Raises:
            ValueError: They are not of the transformer's grid.
        """
        given = batch.tokens
        tokens = self.tokenizer.tokenize(batch.image) if given is None else given
        grid = self.token_grid
        if tuple(tokens.shape[1:3]) != grid:
            raise ValueError(
                f'tokens lie in {tokens.shape[1]} x {tokens.shape[2]} places, the '
                f'transformer is for grid={grid}: set model.transformer.grid, or '
                'images of another size'
            )
        return tokens

    def condition(self, category: Tensor) -> Tensor:
        """Embed categories (b,): (b, dim); an unconditional network looks at none."""
        return self.transformer.condition(self._seen(category))

    def _seen(self, category: Tensor) -> Tensor:
        """Return the categories (b,) that the network looks at."""
        if self.classes:
            return category
        return torch.full_like(category, self.transformer.null)

    def compile_sampler(self) -> None:
        """Let samples be drawn by compiled steps, on a GPU with recorded graphs."""
        self.steps = CompiledSteps(self.transformer)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> dict[str, Tensor]:
        """Train the transformer on a batch.

        Returns:
            Detached scalars to log.
        """
        return optimizers['transformer'](self.loss, batch).logs

    def loss(self, batch: Batch) -> Loss:
        """Compute the mean cross-entropy of a token, in nats, and its accuracy."""
        self._check(batch)
        rows = self.transformer.rows(self.tokens(batch))
        category = drop(
            self._seen(batch.category),
            share=self.class_dropout,
            null=self.transformer.null,
        )
        # Embedded within: a sharded network has its embedding only there.
        logits = self.transformer(rows, category)
        loss = cross_entropy(logits, rows).mean()
        right = [(k.argmax(-1) == rows[..., j]) for j, k in enumerate(logits)]
        accuracy = torch.stack(right).float().mean()
        return Loss(total=loss, logs=dict(total=loss.detach(), accuracy=accuracy))

    def val_step(self, batch: Batch) -> Prediction:
        """Tell the tokens of a batch, and prepare to draw pictures.

        Raises:
            ValueError: A category is none of the classes, or the grid is another.
        """
        self._check(batch)
        tokens = self.tokens(batch)
        rows = self.transformer.rows(tokens)
        condition = self.condition(batch.category)
        both = (torch.split(part, SCORED) for part in (rows, condition))
        scored = [self._score(*part) for part in zip(*both, strict=True)]
        losses, ranks = (torch.cat(part) for part in zip(*scored, strict=True))
        half = rows.clone()
        half[:, rows.shape[1] // 2 :] = UNKNOWN
        uniform = uniforms(SEED, batch.index, rows[0].numel()).to(rows.device)
        drawn = partial(self.generate, condition, uniform=uniform.view(rows.shape))
        makers: dict[str, Callable[[], Reconstruction]] = dict(
            reconstruction=partial(self.render, tokens),
            completed=partial(drawn, known=self.transformer.grid(half)),
            generated=drawn,
        )
        within = same_precision(tokens.device)
        return Prediction(
            losses=losses,
            ranks=ranks,
            quantized=self.quantized(tokens),
            makers={kind: within(make) for kind, make in makers.items()},
        )

    def _score(self, rows: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return each token's loss, (b, n), and its rank, (b, n, g)."""
        logits = self.transformer(rows, condition)
        ranks = [_rank(k, rows[..., j]) for j, k in enumerate(logits)]
        return cross_entropy(logits, rows), torch.stack(ranks, dim=-1)

    def quantized(self, tokens: Tensor) -> Quantized:
        """Return tokens with their latent."""
        return Quantized(latent=self.tokenizer.tokens_to_latent(tokens), tokens=tokens)

    def render(self, tokens: Tensor) -> Reconstruction:
        """Make pictures of tokens (b, h, w, ...)."""
        quantized = self.quantized(tokens)
        return Reconstruction(image=self.decode(quantized.latent), quantized=quantized)

    @torch.no_grad()
    def generate(
        self,
        condition: Tensor,
        *,
        uniform: Tensor,
        sampling: Sampling | None = None,
        known: Tensor | None = None,
    ) -> Reconstruction:
        """Sample images.

        Args:
            condition: Embedded categories, (b, dim), see `condition`.
            uniform: Random numbers, one a sub-token, float64, (b, n, g), see
                `uniforms`.
            sampling: Settings; the config's own if None.
            known: Tokens that are kept, -1 where one is drawn, (b, h, w, ...).
        """
        rows = sample(
            self.transformer,
            condition,
            uniform=uniform,
            sampling=sampling or self.sampling,
            known=None if known is None else self.transformer.rows(known),
            steps=self.steps,
        )
        return self.render(self.transformer.grid(rows))

    def _check(self, batch: Batch) -> None:
        # On a GPU a wrong category would end the process without saying which.
        if not self.classes:
            return
        unknown = (batch.category < 0) | (batch.category >= self.classes)
        if unknown.any():
            place = int(unknown.nonzero()[0])
            raise ValueError(
                f'{batch.ids[place]} is of category {int(batch.category[place])}, but '
                f'the network has classes={self.classes}, categories 0 to '
                f'{self.classes - 1}: set `classes` to the number of classes that the '
                'data set has'
            )


def cross_entropy(logits: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Return the loss of each token, in nats, the sum of its sub-tokens', (b, n).

    Args:
        logits: Of each sub-token, (b, n, size).
        rows: The right ones, (b, n, g).
    """
    losses = [
        functional.cross_entropy(k.flatten(0, 1), row.flatten(), reduction='none')
        for k, row in zip(logits, rows.unbind(-1), strict=True)
    ]
    return torch.stack(losses).sum(0).view(rows.shape[:2])


def _rank(logits: Tensor, rows: Tensor) -> Tensor:
    """Return how many other codes are not below the right one, (b, n)."""
    own = logits.gather(-1, rows[..., None])
    return (~(logits < own)).sum(-1) - 1
