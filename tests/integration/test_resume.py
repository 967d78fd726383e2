"""A run killed at any moment and resumed ends, bit for bit, as if it were not."""

import random
from pathlib import Path

import pytest

from tests.integration.train import assert_same, checkpoint, train
from vq.checkpoints import damage, list_checkpoints, newest_good
from vq.logs import read_json_lines

ITERS = 12
NOISE = ['--override', '.trainer.model.pre_decode.type::NoisyConnector']
# Three: with two any order of adding gives the same sum.
CASES = [(1, 0), (1, 2), (2, 0), (2, 2), (3, 0)]


def scalars(root: Path) -> list[dict[str, float]]:
    return read_json_lines(root / 'work_dirs' / 'run' / 'scalars.jsonl')


@pytest.mark.parametrize(('ranks', 'workers'), CASES)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path: Path, ranks: int, workers: int
) -> None:
    words = [*NOISE, f'.trainer.dataloader.num_workers:{workers}']
    words.append('.trainer.dataloader.batch_size:12')
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    moments = train(whole, *words, ranks=ranks)
    # Two kills one after the other, the second into the resumed run.
    rng = random.Random(100 * ranks + workers)
    for kill_at in (rng.randrange(1, moments), rng.randrange(1, moments // 2)):
        train(killed, *words, '--auto-resume', ranks=ranks, kill_at=kill_at)
    train(killed, *words, '--auto-resume', ranks=ranks)
    assert_same(checkpoint(whole, ITERS), checkpoint(killed, ITERS))
    assert scalars(whole) == scalars(killed)


def test_at_five_random_moments(tmp_path: Path) -> None:
    moments = train(tmp_path / 'whole', *NOISE)
    expected = checkpoint(tmp_path / 'whole', ITERS)
    seed = random.randrange(10**6)
    print(f'seed {seed}')  # shown by pytest where this fails
    for kill_at in random.Random(seed).sample(range(1, moments + 1), 5):
        root = tmp_path / f'at_{kill_at}'
        train(root, *NOISE, kill_at=kill_at)
        folders = list_checkpoints(root / 'work_dirs' / 'run' / 'checkpoints')
        assert [damage(folder) for folder in folders] == [None] * len(folders)
        train(root, *NOISE, '--auto-resume')
        assert_same(expected, checkpoint(root, ITERS))
        assert scalars(tmp_path / 'whole') == scalars(root)


@pytest.mark.parametrize('norm', ['act', 'spectral'])
def test_with_a_perceptual_loss_and_norms_that_keep_a_state(
    tmp_path: Path, norm: str
) -> None:
    words = [
        *NOISE,
        f'.trainer.model.discriminator.norm::{norm}',
        ".trainer.model.reconstruction_losses.lpips_loss:dict(type='LPIPSLoss', "
        "trunk='random')",
    ]
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    moments = train(whole, *words)
    train(killed, *words, kill_at=2 * moments // 3)
    train(killed, *words, '--auto-resume')
    assert_same(checkpoint(whole, ITERS), checkpoint(killed, ITERS))
    assert scalars(whole) == scalars(killed)
    assert all('lpips_loss' in line for line in scalars(whole))
    assert not any('lpips' in key for key in checkpoint(whole, ITERS)['model'])


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    train(tmp_path)
    expected = checkpoint(tmp_path, ITERS)
    root = tmp_path / 'work_dirs' / 'run' / 'checkpoints'
    for name in ('iter_12', 'iter_9'):
        model = root / name / 'model.pth'
        model.write_bytes(model.read_bytes()[:-100])
    assert newest_good(root) == root / 'iter_6'
    train(tmp_path, '--auto-resume')
    assert_same(expected, checkpoint(tmp_path, ITERS))


def test_more_iterations_go_on_where_the_run_ended(tmp_path: Path) -> None:
    constant = ['--override', '.trainer.schedulers:None']
    train(tmp_path / 'whole', *constant, '.trainer.iters:12')
    train(tmp_path / 'longer', *constant, '.trainer.iters:7')
    train(tmp_path / 'longer', *constant, '.trainer.iters:12', '--auto-resume')
    assert_same(checkpoint(tmp_path / 'whole', 12), checkpoint(tmp_path / 'longer', 12))


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    train(tmp_path)
    folder = tmp_path / 'work_dirs' / 'run' / 'checkpoints' / 'iter_12'
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    train(tmp_path, '--auto-resume')
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert (tmp_path / 'work_dirs' / 'run' / 'finished.json').exists()


def test_another_number_of_ranks_keeps_the_order_of_data(tmp_path: Path) -> None:
    words = ['--override', '.trainer.iters:6']
    train(tmp_path / 'one', *words)
    train(tmp_path / 'two', '--override', '.trainer.iters:3')
    train(tmp_path / 'two', *words, '--auto-resume', ranks=2)
    one, two = (checkpoint(tmp_path / name, 6)['model'] for name in ('one', 'two'))
    # The same images in the same order: equal but for the order of float sums.
    for key, value in one.items():
        assert (value.float() - two[key].float()).abs().max() < 1e-4, key
