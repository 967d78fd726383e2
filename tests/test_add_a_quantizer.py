"""The worked example of docs/add_a_quantizer.md is run as it stands there."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models import tiny
from tests.models.quantizers import (
    families,
    test_conformance,
    test_conformance_training,
)
from vq.registry import MODELS

PAGE = Path(__file__).parents[1] / 'docs' / 'add_a_quantizer.md'
FILE, LINE, TEST = re.findall(r'```python\n(.*?)```', PAGE.read_text(), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def binary_quantizer() -> Iterator[None]:
    """Register the page's class for one test."""
    MODELS.names()  # imports the package, and with it a shipped namesake, if any
    kept = dict(MODELS.module_dict)
    MODELS.module_dict.pop('BinaryQuantizer', None)
    exec(compile(FILE, str(PAGE), 'exec'), {'__name__': 'binary'})
    yield
    MODELS.module_dict.clear()
    MODELS.module_dict.update(kept)


def page_tests() -> dict[str, Any]:
    """Return the tests that the page shows, by name."""
    names: dict[str, Any] = {}
    exec(compile(TEST, str(PAGE), 'exec'), names)
    return {name: test for name, test in names.items() if name.startswith('test_')}


@pytest.mark.parametrize('name', page_tests())
def test_the_tests_of_the_page_pass(name: str) -> None:
    page_tests()[name]()


CONTRACT = {
    name: test
    for module in (test_conformance, test_conformance_training)
    for name, test in inspect.getmembers(module, inspect.isfunction)
    if name.startswith('test_') and list(inspect.signature(test).parameters) == ['name']
}


@pytest.mark.parametrize('name', CONTRACT)
def test_the_line_of_the_page_holds_it_to_the_contract(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (family,) = eval(f'{{{LINE}}}', vars(families).copy()).values()
    monkeypatch.setitem(families.FAMILIES, 'binary', family)
    CONTRACT[name]('binary')


def test_a_vqgan_with_it_trains() -> None:
    config = tiny.vqgan()
    config['tokenizer']['quantizer'] = {'type': 'BinaryQuantizer', 'dim': 4}
    model = MODELS.build(config)
    logs = model.train_step(tiny.batch(), tiny.adam(model))
    assert torch.isfinite(logs['commitment_loss'])
    assert model.tokenizer.codebook_size == 16
