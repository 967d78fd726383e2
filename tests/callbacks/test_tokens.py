"""The token callback says what made the tokens, and where the grid comes from."""

from pathlib import Path
from typing import Any

import pytest

from tests.log import Records
from tests.runs import tiny_validator
from vq.checkpoints import state_hash
from vq.datasets.token_store import TokenMeta
from vq.datasets.tokens import TokenDataset

CALLBACK = '.validator.callbacks:[dict(type="TokenCallback",block_size=4)]'


def validator(folder: Path, *overrides: str) -> Any:
    """Return a validator that writes tokens in blocks of 4."""
    return tiny_validator(folder, CALLBACK, *overrides)


def test_the_store_says_what_made_it(tmp_path: Path) -> None:
    one = validator(tmp_path)
    one.run()
    assert TokenMeta.load(tmp_path / 'tokens') == TokenMeta(
        token_sizes=(32,),
        grid=(8, 8),
        block_size=4,
        number=11,
        dataset='11 synthetic pictures',
        transforms=[dict(type='Resize', size=16), dict(type='CenterCrop', size=16)],
        tokenizer=state_hash(one.model.tokenizer.state_dict()),
    )


def test_a_second_run_writes_nothing_new(tmp_path: Path, log: Records) -> None:
    validator(tmp_path).run()
    files = [p for p in (tmp_path / 'tokens').rglob('*') if p.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    validator(tmp_path).run()
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert '3 of 3 shards are there already' in log.texts()


def spotty(broken: str) -> str:
    """Return a data set whose pictures are not square, some broken."""
    return f'.validator.dataset:dict(type="SpottyDataset",length=6,broken={broken})'


def test_the_first_readable_image_tells_the_grid(tmp_path: Path) -> None:
    validator(tmp_path, spotty('(0,1,2,3)')).run()
    tokens = TokenDataset(tmp_path / 'tokens')
    assert (len(tokens), tokens.meta.grid) == (2, (8, 8))
    assert [tokens[i][2] for i in range(2)] == ['00000004', '00000005']


def test_without_a_readable_image_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='no image of .* can be read'):
        validator(tmp_path, spotty('(0,1,2,3,4,5)')).run()
