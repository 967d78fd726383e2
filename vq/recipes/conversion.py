"""From a file of settings to a config of ours, with the account of its keys."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vq.config import check as check_arguments
from vq.config import load
from vq.conversion.output import write_text
from vq.recipes import adapter, autoencoders, llamagen, llamagen_gpt
from vq.recipes.checking import check, check_file
from vq.recipes.ledger import Ledger, Row
from vq.recipes.reading import read
from vq.recipes.recipe import Options, Recipe
from vq.recipes.writing import over_bases, text

RECIPES: dict[str, Callable[[Ledger, Options], Recipe]] = dict(
    taming=autoencoders.recipe,
    adapter=adapter.recipe,
    llamagen=llamagen.recipe,
    llamagen_gpt=llamagen_gpt.recipe,
)


@dataclass(frozen=True)
class Converted:
    """A conversion that is written and compared.

    Attributes:
        kind: What the settings are.
        rows: What became of each key.
        remarks: What is to be known beside the keys, by its subject.
        text: The config.
        checked: What was compared, a line each.
    """

    kind: str
    rows: list[Row]
    remarks: dict[str, str]
    text: str
    checked: list[str]


def convert(
    path: Path,
    out: Path,
    *,
    kind: str = '',
    options: Options | None = None,
    checkpoint: Path | None = None,
) -> Converted:
    """Write the config that settings of others say, once it is known to be the same.

    Args:
        path: The settings.
        out: The config to write.
        kind: What they are, see `reading.KINDS`; '' reads it off the content.
        options: What they leave to a command line.
        checkpoint: Weights of that code base, or JSON of their names and shapes, to be
            compared with, too.

    Raises:
        RecipeError: No config of ours is the same; why is told.
        ConversionError: Another file lies at `out`, or the checkpoint is damaged.
    """
    settings = read(path, kind=kind)
    ledger = Ledger.of(settings.tree)
    recipe = RECIPES[settings.kind](ledger, options or Options())
    fragments = over_bases(recipe.bases, recipe.fragments)
    rows = list(ledger.rows(fragments))
    written = text(
        fragments,
        bases=recipe.bases,
        title=f'{recipe.title}; of {path.name}.',
        rows=rows,
        out=out,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, written)
    checked = _checked(out, recipe, path.name, checkpoint)
    return Converted(settings.kind, rows, ledger.remarks, written, checked)


def _checked(
    out: Path, recipe: Recipe, name: str, checkpoint: Path | None
) -> list[str]:
    """Load the written config, and compare its network; what is wrong is taken away."""
    try:
        config = load(out)
        check_arguments(config)
        model: Any = config.trainer.model
        told, ours = check(model, recipe.family, recipe.published, what=name)
        lines = [told]
        if checkpoint is not None:
            lines.append(check_file(ours, checkpoint, recipe.family))
    except ValueError:
        out.unlink()
        raise
    return lines
