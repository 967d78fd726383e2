"""What every test gets: fixed seeds, global state put back, GPU tests skipped."""

import os
from collections.abc import Iterator

import pytest
import torch

from tests.log import Records, forget_set_up, recorded

# Tensors are tiny and several processes share the cores: threads would only wait.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason='needs a GPU')
    for item in items:
        if 'gpu' in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def global_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Seed torch, hide a launcher's and a dry run's environment, put defaults back."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'DRY_RUN', 'PRETRAINED'):
        monkeypatch.delenv(name, raising=False)
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    grad_enabled = torch.is_grad_enabled()
    torch.manual_seed(0)
    yield
    forget_set_up()
    torch.set_grad_enabled(grad_enabled)
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


@pytest.fixture
def log() -> Iterator[Records]:
    """Record what `vq` logs; its logger is put back afterwards."""
    with recorded() as records:
        yield records
