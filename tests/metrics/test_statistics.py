"""Files of statistics: to the bit and back, stamped, whole, found by name."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vq import paths
from vq.metrics import statistics
from vq.metrics.frechet import Gaussian
from vq.metrics.protocol import Protocol
from vq.metrics.statistics import MissingStatisticsError, Statistics, locate

PROTOCOL = Protocol(
    dataset='Übung', split='val', number=9, size='16x16', weights='ab', crop=''
)


def gaussian(dim: int, *, count: int = 9) -> Gaussian:
    """Return odd numbers: subnormal, negative zero, and what float32 cannot hold."""
    mean = torch.rand(dim, dtype=torch.float64) / 3
    mean[0], mean[1] = 5e-324, -0.0
    return Gaussian(mean, torch.rand(dim, dim, dtype=torch.float64).T, count)


def whole() -> Statistics:
    """Return statistics with all that they may hold."""
    return Statistics(PROTOCOL, gaussian(4), gaussian(3), torch.rand(4, 6)[:, ::2])


def bits(tensor: Tensor) -> bytes:
    """Return the bytes of a tensor."""
    return tensor.contiguous().numpy().tobytes()


def assert_same(one: Gaussian | None, other: Gaussian | None) -> None:
    """Compare bit for bit."""
    assert one is not None
    assert other is not None
    assert bits(one.mean) == bits(other.mean)
    assert bits(one.covariance) == bits(other.covariance)
    assert one.count == other.count


def test_they_come_back_bit_for_bit(tmp_path: Path) -> None:
    path, there = tmp_path / 'new' / 'x_val.safetensors', whole()
    there.save(path)
    back = Statistics.load(path)
    assert_same(back.pooled, there.pooled)
    assert_same(back.spatial, there.spatial)
    assert back.features is not None
    assert there.features is not None
    assert torch.equal(back.features, there.features)
    assert back.protocol == PROTOCOL
    assert sorted(p.name for p in path.parent.iterdir()) == [
        'x_val.json',
        'x_val.safetensors',
    ]


def test_only_moments_are_a_must(tmp_path: Path) -> None:
    path, pooled = tmp_path / 'x.safetensors', gaussian(4, count=0)
    Statistics(Protocol(), pooled).save(path)
    back = Statistics.load(path)
    assert_same(back.pooled, pooled)
    assert back.spatial is back.features is None


def test_the_stamp_is_in_the_header_and_beside(tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    whole().save(path)
    with safe_open(path, framework='pt') as file:
        header = json.loads(file.metadata()['protocol'])
    assert header == json.loads((tmp_path / 'x.json').read_text())
    assert header == PROTOCOL.to_dict()
    assert header['crop'] == ''
    assert 'ids' not in header


def test_any_user_may_read_it(tmp_path: Path) -> None:
    whole().save(tmp_path / 'x.safetensors')
    (tmp_path / 'plain').touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_crash_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / 'x.safetensors', whole()
    old.save(path)

    def crash(path: Path) -> None:
        raise OSError('the disk is full')

    monkeypatch.setattr(statistics, 'sync', crash)
    with pytest.raises(OSError, match='full'):
        Statistics(Protocol(dataset='new'), gaussian(5)).save(path)
    back = Statistics.load(path)
    assert_same(back.pooled, old.pooled)
    assert back.protocol == PROTOCOL
    assert sorted(p.name for p in tmp_path.iterdir()) == ['x.json', 'x.safetensors']


def test_what_is_damaged_or_foreign_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'x.safetensors'
    whole().save(path)
    good = path.read_bytes()
    header = dict(protocol='{"dataset": "cut')
    cases = {
        'cut': good[:-100],
        'empty': b'',
        'npz': b'PK\x03\x04 and so on, hundreds of bytes' * 20,
        'unstamped': {},
        'bad stamp': header,
        'no stamp': dict(protocol='[1]'),
        'no moments': dict(protocol='{}'),
    }
    for name, content in cases.items():
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            save_file(dict(mu=torch.zeros(2)), path, metadata=content)
        with pytest.raises(ValueError, match=r'x\.safetensors is damaged or no') as e:
            Statistics.load(path)
        assert 'convert_statistics.py' in str(e.value), name


def test_a_nan_is_found_when_it_is_read(tmp_path: Path) -> None:
    path, broken = tmp_path / 'x.safetensors', whole()
    broken.pooled.covariance[1, 2] = torch.nan
    broken.save(path)
    with pytest.raises(ValueError, match='NaN'):
        Statistics.load(path)


@pytest.mark.parametrize(
    ('name', 'command'),
    [
        ('imagenet_val', 'vq.fid imagenet'),
        ('imagenet_train', 'vq.fid imagenet --train'),
        ('celeba_hq_val', 'vq.fid celeba_hq'),
        ('sa_med2d_20m_val', 'vq.fid sa_med2d_20m'),
        ('sa_med2d_20m_train', 'vq.fid sa_med2d_20m --train'),
        ('digits', 'vq.fid digits'),
        ('my_digits', 'vq.fid my_digits'),
    ],
)
def test_what_is_missing_is_told_with_the_command(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PRETRAINED', str(tmp_path))
    with pytest.raises(MissingStatisticsError) as error:
        Statistics.load(locate(name))
    path = tmp_path / 'pretrained' / 'fid' / f'{name}.safetensors'
    told = f'{path} is missing; make it: auto_torchrun -m {command}'
    assert str(error.value) == told


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    folder = tmp_path / 'pretrained' / 'fid'
    assert locate('imagenet_val') == folder / 'imagenet_val.safetensors'
    assert locate('here.safetensors') == tmp_path / 'here.safetensors'
    assert locate('runs/here.safetensors') == tmp_path / 'runs' / 'here.safetensors'
    assert locate('/far/away.safetensors') == Path('/far/away.safetensors')
    monkeypatch.setenv('PRETRAINED', '/store')
    found = Path('/store/pretrained/fid/imagenet_val.safetensors')
    assert locate('imagenet_val') == found
    assert locate('pretrained/fid/imagenet_val.safetensors') == found


def test_fields_of_later_versions_are_left(tmp_path: Path) -> None:
    path, there = tmp_path / 'x.safetensors', whole()
    stamp = dict(PROTOCOL.to_dict(), invented='later')
    there.save(path)
    with safe_open(path, framework='pt') as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata=dict(protocol=json.dumps(stamp)))
    assert Statistics.load(path).protocol == dataclasses.replace(PROTOCOL)
