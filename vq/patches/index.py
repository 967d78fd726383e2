"""The page that lists codes by use, each with its sheet."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #141414 }
dl { display: grid; grid-template-columns: max-content auto; gap: 0 1.5rem }
dd { margin: 0 }
main { display: flex; flex-wrap: wrap; gap: 1.5rem }
figure { margin: 0; border: 1px solid #ddd; content-visibility: auto }
figcaption { padding: 0.3rem 0.5rem; font-variant-numeric: tabular-nums }
figcaption div { height: 4px; background: #1f69b0 }
figure:target { outline: 3px solid #be3c28 }
img { display: block }
""".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A code that has a sheet.

    Attributes:
        code: Its number.
        count: How often it occurs.
        share: Of all tokens.
        sheet: Name of the picture, beside the page.
    """

    code: int
    count: int
    share: float
    sheet: str


def write_index(
    folder: Path,
    *,
    title: str,
    statistics: Mapping[str, float],
    settings: Mapping[str, Any],
    rows: Sequence[Row],
) -> None:
    """Write index.html, for people, and index.json, for programs.

    Args:
        folder: That of the sheets.
        title: Whose codes they are.
        statistics: Of the codebook.
        settings: How the sheets were made.
        rows: The codes, in the order of the page.
    """
    record = dict(
        title=title,
        statistics=dict(statistics),
        settings=dict(settings),
        codes=[asdict(row) for row in rows],
    )
    write_whole(folder / 'index.json', json.dumps(record, indent=1))
    write_whole(folder / 'index.html', _page(title, statistics, rows))


def _page(title: str, statistics: Mapping[str, float], rows: Sequence[Row]) -> str:
    facts = {
        'tokens': f'{statistics["tokens"]:,}',
        'codes': f'{statistics["codebook_size"]:,}',
        'used': f'{statistics["used"]:,} ({statistics["usage"]:.2%})',
        'dead': f'{statistics["dead"]:,}',
        'perplexity': f'{statistics["perplexity"]:,.1f}',
        'entropy': f'{statistics["entropy"]:.4f} nats',
        'on this page': f'{len(rows):,} codes, the most used first',
    }
    terms = ''.join(f'<dt>{k}</dt><dd>{v}</dd>\n' for k, v in facts.items())
    most = max((row.share for row in rows), default=1.0)
    figures = ''.join(_figure(row, width=row.share / most) for row in rows)
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<title>{name}</title>\n<style>\n{STYLE}\n</style></head>\n<body>\n'
        f'<h1>{name}</h1>\n<dl>\n{terms}</dl>\n<main>\n{figures}</main>\n</body></html>\n'
    )


def _figure(row: Row, *, width: float) -> str:
    caption = f'<b>{row.code}</b> n = {row.count:,} ({row.share:.3%})'
    return (
        f'<figure id="{row.code}"><a href="{row.sheet}"><img loading="lazy" '
        f'src="{row.sheet}" alt="patches of code {row.code}"></a><figcaption>{caption}'
        f'<div style="width:{width:.1%}"></div></figcaption></figure>\n'
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    aside = path.with_name(f'.{path.name}.tmp')
    aside.write_text(text, 'utf-8')
    aside.rename(path)
