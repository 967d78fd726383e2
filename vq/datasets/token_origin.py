"""Where tokens come from: what a model that takes them must agree with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vq.datasets.token_store import TokenMeta

DIGITS = 12  # of a SHA-256, for people


@dataclass(frozen=True, kw_only=True)
class TokenOrigin:
    """Stored tokens and what made them.

    Attributes:
        root: Folder of the store.
        grid: Rows and columns of the tokens of one image.
        token_sizes: Vocabulary of each sub-token of a position.
        tokenizer: SHA-256 of the tokenizer's weights, in hex; None: nobody knows.
    """

    root: Path
    grid: tuple[int, int]
    token_sizes: tuple[int, ...]
    tokenizer: str | None = None

    @classmethod
    def of(cls, root: Path, meta: TokenMeta) -> Self:
        """Return the origin that the description of a store tells."""
        return cls(
            root=root,
            grid=meta.grid,
            token_sizes=meta.token_sizes,
            tokenizer=meta.tokenizer,
        )

    def check_sizes(
        self, *, token_sizes: tuple[int, ...], grid: tuple[int, int] | None
    ) -> None:
        """Make sure that the tokens fit a model.

        Args:
            token_sizes: Those of its tokenizer.
            grid: Rows and columns of tokens that it is for; None: any.

        Raises:
            ValueError: They do not.
        """
        wanted = dict(token_sizes=token_sizes, grid=grid or self.grid)
        for name, there in dict(token_sizes=self.token_sizes, grid=self.grid).items():
            if tuple(there) != tuple(wanted[name]):
                raise ValueError(
                    f'{self.root} holds tokens of {name}={there}, the model is for '
                    f'{name}={tuple(wanted[name])}; give it the tokens of its own '
                    'tokenizer, or the config that belongs to these'
                )

    def mismatch(self, tokenizer: str) -> str | None:
        """Say that the tokens come from other weights than those of this SHA-256."""
        if self.tokenizer in (None, tokenizer):
            return None
        return (
            f'{self.root} holds tokens of the tokenizer {self.tokenizer[:DIGITS]}..., '
            f'but that of the model is {tokenizer[:DIGITS]}...; load the weights that '
            'wrote these tokens, or tokenize again, into another folder, with those of '
            'the model'
        )
