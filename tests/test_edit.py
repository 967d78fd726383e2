"""`vq.edit`, as it is typed: what it makes equals the model's own answers."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tests.datasets.pictures import photo
from tests.runners.generators import TINY as PROPOSAL
from tests.runners.generators import tiny_generator
from tests.runs import TINY, tiny_validator
from vq import edit, paths
from vq.checkpoints import state_hash
from vq.checkpoints.files import write_weights
from vq.cli import edit as command_line
from vq.cli import edit_parser
from vq.datasets.token_store import TokenMeta
from vq.datasets.tokens import TokenWriter
from vq.editing import acting, regions
from vq.generation.draws import by_class

Command = Callable[..., Path]


def same(first: Tensor, second: Tensor) -> bool:
    """Tell whether pictures are equal, but for a rounding."""
    return int((first.int() - second.int()).abs().max()) <= 1


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command, run on the tiny network; it returns where it writes."""

    def work_dir(name: str, *, dry_run: bool = False) -> Path:
        return tmp_path / ('dry_run' if dry_run else '') / name

    monkeypatch.setattr(paths, 'work_dir', work_dir)
    for name, size in (('cat', (40, 24)), ('dog', (9, 30))):
        photo(size=size).save(tmp_path / f'{name}.png')
    write_weights(tmp_path / 'model', tiny_validator(tmp_path).model.state_dict())

    def call(action: str, *words: str, config: Path = TINY, weights: str = 'model.pth'):
        files = [str(tmp_path / f'{w[1:]}.png') if w[0] == '@' else w for w in words]
        given = ['--load-model-from', str(tmp_path / weights)] if weights else []
        args = edit_parser().parse_args([action, str(config), *files, *given])
        edit.run(args)
        return tmp_path / f'{config.stem}_edit' / action

    return call


def saved(out: Path, name: str) -> NDArray[Any]:
    """Return tokens that an action wrote."""
    array: NDArray[Any] = np.load(out / f'{out.name}_{name}.npy')
    return array


def record(out: Path) -> dict[str, Any]:
    """Return what an action noted."""
    found: dict[str, Any] = json.loads((out / f'{out.name}.json').read_text())
    return found


def test_random_codes_depend_on_seed_and_number_alone(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = saved(command('random', '--number', '3', '--seed', '2'), 'tokens')
    for i in range(3):
        expected = np.random.default_rng((2, i)).integers(32, size=(8, 8))
        assert np.array_equal(tokens[i], expected)
    assert 'random/random.json' in capsys.readouterr().out.splitlines()[-1]
    words = ('--number', '2', '--seed', '2', '--batch-size', '1', '--grid', '4', '6')
    out = command('random', *words)
    assert saved(out, 'tokens').shape == (2, 4, 6)
    noted = record(out)
    model = tiny_validator(tmp_path).model
    assert noted['weights'] == state_hash(model.state_dict())
    assert (noted['action'], noted['seed'], noted['number']) == ('random', 2, 2)
    assert noted['files'] == ['random.png', 'random_tokens.npy']


def test_actions_on_pictures(command: Command) -> None:
    out = command('interpolate', '@cat', '@dog', '--steps', '4', '--unquantized')
    cat, dog = saved(out, 'before')
    with Image.open(out / 'interpolate.gif') as gif:
        assert gif.n_frames == 6
    out = command('swap', '@cat', '@dog', '--box', '0', '0', '3', '8')
    assert np.array_equal(saved(out, 'after')[0], np.concatenate([dog[:3], cat[3:]]))
    boxes = ['--box', '0', '0', '1', '8', '--box', '7', '0', '8', '8']
    out = command('paint', '@cat', *boxes, '--token', '3', '5')
    painted = saved(out, 'cat_after')
    assert painted[0].tolist() == [3] * 8 and painted[7].tolist() == [5] * 8
    out = command('paint', '@cat', *boxes, '--source', '@dog')
    assert np.array_equal(saved(out, 'cat_after')[7], dog[7])
    common = int(np.bincount(cat.ravel()).argmax())
    out = command('replace', '@cat', '--codes', f'{common}:31', f'31:{common}')
    assert (saved(out, 'cat_after') == 31).sum() == (cat == common).sum()
    table = record(command('codes', '@cat', '@dog', '--top', '1'))['codes']['cat']
    best = table['commonest'][0]
    assert (best['code'], best['count']) == (str(common), (cat == common).sum())
    out = command('mask', '@dog', '--share', '0.5', '--fill', '7', '--order', 'rows')
    assert np.array_equal(saved(out, 'dog_after')[0, 4:], dog[4:])
    assert (saved(out, 'dog_after')[0, :4] == 7).all()
    out = command('mask', '@dog', '--box', '2', '2', '4', '4', '--fill', 'random')
    assert np.array_equal(saved(out, 'dog_after')[0, 4:], dog[4:])
    for action in ('interpolate', 'swap', 'paint', 'replace', 'codes', 'mask'):
        with Image.open(out.parent / action / f'{action}.png') as sheet:
            sheet.verify()


def test_a_prior_has_the_frequencies_of_a_store(
    command: Command, tmp_path: Path
) -> None:
    model: Any = tiny_validator(tmp_path).model
    meta = TokenMeta(
        token_sizes=(32,), grid=(8, 8), block_size=4, number=4, dataset='x',
        transforms=[], tokenizer=state_hash(model.tokenizer.state_dict()),
    )  # fmt: skip
    image = torch.arange(64).reshape(8, 8) % 32
    ids = list('abcd')
    with TokenWriter(tmp_path / 'tokens', meta=meta) as writer:
        writer.add(torch.arange(4), torch.stack([image] * 4), torch.zeros(4), ids)
    store = ('--tokens', str(tmp_path / 'tokens'), '--number', '2')
    tokens = saved(command('prior', *store, '--per-position'), 'tokens')
    assert np.array_equal(tokens, np.stack([image.numpy()] * 2))
    anywhere = saved(command('prior', *store), 'tokens')
    assert anywhere.shape == (2, 8, 8) and not np.array_equal(anywhere, tokens)
    out = command('prior', '@cat', '--number', '2')
    seen = saved(command('codes', '@cat'), 'cat')
    assert set(saved(out, 'tokens').ravel()) <= set(seen.ravel())
    with pytest.raises(ValueError, match='either --tokens DIR'):
        command('prior', '@cat', *store)


def test_a_proposal_network_draws_and_completes(
    command: Command, tmp_path: Path
) -> None:
    generator = tiny_generator(tmp_path / 'x')
    write_weights(tmp_path / 'proposal', generator.model.state_dict())
    network: Any = dict(config=PROPOSAL, weights='proposal.pth')
    out = command(
        'prior', '--classes', '3', '1', '--number', '3', '--seed', '5', **network
    )
    draws = by_class([3, 1], 3)
    expected = generator.draw(draws, sampling=generator.model.sampling, seed=5)
    tokens = torch.from_numpy(saved(out, 'tokens'))
    with torch.no_grad():
        made = generator.model.render(tokens).image
    pixels = ((made + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    assert same(pixels, expected)
    words = ('@cat', '--box', '1', '0', '3', '4', '--fill', 'transformer')
    out = command('mask', *words, '--classes', '2', **network)
    before, after = saved(out, 'cat_before'), saved(out, 'cat_after')[0]
    assert np.array_equal(after[[0, 3]], before[[0, 3]])
    assert record(out)['fill'] == {'cat': 'what the transformer draws of class 2'}
    with pytest.raises(ValueError, match='which class'):
        command('mask', *words, **network)
    for unfit in ('@cat', '--per-position'):
        with pytest.raises(ValueError, match='leave --tokens, pictures, --grid and'):
            command('prior', unfit, **network)
    with pytest.raises(ValueError, match='no class 5: the network has 0 to 4'):
        command('prior', '--classes', '5', **network)


@pytest.mark.parametrize(
    ('words', 'problem'),
    [
        (('swap', '@cat', '@dog', '--box', '0', '0', '9', '2'), '0 0 9 2 .* 8 x 8'),
        (('paint', '@cat', '--box', '0', '0', '1', '1', '--token', '32'), '0 to 31'),
        (('replace', '@cat', '--codes', '1:99'), '99 is not in the codebook'),
        (('mask', '@cat', '--share', '1.5'), r'\[0, 1\], got 1.5'),
        (
            ('mask', '@cat', '--share', '.5', '--fill', 'oak'),
            "'oak' is no code.* or one of commonest",
        ),
        (('mask', '@cat', '--share', '.5', '--fill', 'transformer'), 'no transformer'),
        (('mask', '@cat', '--share', '.5', '--classes', '1'), '--fill commonest knows'),
        (('interpolate', '@cat', '@dog', '--steps', '1'), '--steps or more'),
        (('codes', '@dog', '--no-crop'), 'dog.png is 9x30; .* sides that 2 divides'),
        (('random', '--number', '0'), '--number must be at least 1'),
        (('random', '--seed', '-1'), '--seed must be at least 0'),
        (('prior',), 'whose frequencies'),
        (('prior', '@cat', '--classes', '1'), '--classes are for the transformer'),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_errors_name_the_value_and_the_range(
    command: Command, words: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        command(*words)


def test_pictures_of_two_sizes_have_no_positions_in_common(
    command: Command, tmp_path: Path
) -> None:
    photo(size=(12, 30)).save(tmp_path / 'tall.png')
    for words in (('swap', '--box', '0', '0', '1', '1'), ('interpolate',)):
        with pytest.raises(ValueError, match='no positions in common'):
            command(words[0], '@cat', '@tall', '--no-crop', *words[1:])
    assert saved(command('codes', '@tall', '--no-crop'), 'tall').shape == (15, 6)


def test_pictures_of_one_name_keep_their_own_tokens(
    command: Command, tmp_path: Path
) -> None:
    dog = saved(command('codes', '@dog'), 'dog')
    (tmp_path / 'b').mkdir()
    (tmp_path / 'dog.png').rename(tmp_path / 'b' / 'cat.png')
    out = command('mask', '@cat', '@b/cat', '@cat', '--share', '.5', '--fill', 'random')
    assert np.array_equal(saved(out, 'cat-2_before'), dog)
    assert np.array_equal(saved(out, 'cat-3_before'), saved(out, 'cat_before'))
    assert not np.array_equal(saved(out, 'cat-3_after'), saved(out, 'cat_after'))
    noted = record(out)
    assert [*noted['fill']] == ['cat', 'cat-2', 'cat-3']
    assert noted['command'] == shlex.join(sys.orig_argv)
    out = command('swap', '@cat', '@b/cat', '--box', '0', '0', '3', '8')
    assert np.array_equal(saved(out, 'after')[0, :3], dog[:3])


def test_a_dry_run_needs_neither_weights_nor_tokens(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('DRY_RUN', 'True')
    command('random', weights='')
    command('prior', '--tokens', str(tmp_path / 'nowhere'), weights='')
    out = tmp_path / 'dry_run' / f'{TINY.stem}_edit'
    assert len(saved(out / 'random', 'tokens')) == 4
    assert len(saved(out / 'prior', 'tokens')) == 4


def test_the_parser_offers_what_there_is() -> None:
    assert command_line.ORDERS == regions.ORDERS
    actions: Any = edit_parser()._subparsers
    assert [*actions._group_actions[0].choices] == [*acting.ACTIONS]
