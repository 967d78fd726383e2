"""The Python of docs/python.md runs, from top to bottom, and its assertions hold."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[1] / 'docs' / 'python.md'
BLOCKS = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f'{PAGE.name}, block {number}', 'exec'), names)
    model, x = names['model'], names['x']
    with torch.no_grad():
        expected = model(x)
        tokens = model.tokenize(x)
    assert torch.equal(tokens, expected.quantized.tokens)
    assert torch.allclose(model.detokenize(tokens), expected.image, atol=1e-5)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {'picture.png', 'both.png', 'model.pth'}


def test_the_page_asserts_what_it_says() -> None:
    assert sum(block.count('assert ') for block in BLOCKS) >= len(BLOCKS)
