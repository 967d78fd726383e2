"""Published files: containers, foreign classes, traps, and damage."""

import collections
import pickle
import sys
import types
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from tests.conversion.networks import equal
from vq.checkpoints import read_weights
from vq.conversion import FAMILIES, ConversionError, reading

TAMING, LLAMAGEN = FAMILIES['taming'], FAMILIES['llamagen']
WEIGHTS = {
    'a.weight': torch.randn(3, 2),
    'a.half': torch.randn(4).half(),
    'a.brain': torch.randn(4).bfloat16(),
    'a.count': torch.tensor(7),
    'a.flag': torch.tensor([True, False]),
    'a.view': torch.arange(12.0).reshape(3, 4).T[1:],
    'a.empty': torch.empty(0),
}


class Trap:
    """Touches a file when it is unpickled in the ordinary way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


@pytest.mark.parametrize('name', ['x.pth', 'x.ckpt', 'x.pth.converted'])
def test_plain_files_whatever_their_name(name, tmp_path):
    torch.save(WEIGHTS, tmp_path / name)
    assert equal(reading.read(tmp_path / name, TAMING).weights, WEIGHTS)
    plain = {key: value.contiguous() for key, value in WEIGHTS.items()}
    save_file(plain, tmp_path / name)
    assert equal(reading.read(tmp_path / name, TAMING).weights, WEIGHTS)
    assert equal(read_weights([tmp_path / name]), WEIGHTS)


def test_a_trap_is_not_sprung(tmp_path):
    file, touched = tmp_path / 'x.ckpt', tmp_path / 'touched'
    content = {'state_dict': WEIGHTS, 'callbacks': {'x': Trap(touched)}}
    torch.save(content, file)
    source = reading.read(file, TAMING)
    assert equal(source.weights, WEIGHTS) and source.foreign == ('io.open',)
    assert not touched.exists()
    # Ordinary unpickling would spring it.
    torch.load(file, weights_only=False)
    assert touched.exists()


# torch.load tries first, and warns of protocol 4.
@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('protocol', [2, 4])
def test_a_lightning_checkpoint(tmp_path, protocol):
    """Its callbacks, hyper-parameters and partial functions are not importable here."""
    module = types.ModuleType('lightning_stand_in')

    class ModelCheckpoint(dict):
        pass

    class Namespace:
        def __init__(self):
            self.deep = {'inner': self}

    class Hooks(list):
        pass

    for kind in (ModelCheckpoint, Namespace, Hooks):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
    sys.modules[module.__name__] = module
    weights = collections.OrderedDict(WEIGHTS)
    weights._metadata = {'': {'version': 1}}
    parameter = torch.nn.Parameter(torch.randn(2))
    weights['a.parameter'] = parameter
    try:
        content = {
            'epoch': 3,
            'callbacks': {ModelCheckpoint: {'best': torch.tensor(1.0)}},
            'hooks': Hooks([1, 2]),
            'filled': ModelCheckpoint(a=1),
            'hyper_parameters': Namespace(),
            'set': {frozenset({1})},
            'state_dict': weights,
        }
        torch.save(content, tmp_path / 'last.ckpt', pickle_protocol=protocol)
    finally:
        del sys.modules[module.__name__]
    source = reading.read(tmp_path / 'last.ckpt', TAMING)
    assert equal(source.weights, WEIGHTS | {'a.parameter': parameter.data})
    assert source.container == 'state_dict' and 'epoch' in source.others
    assert 'lightning_stand_in.ModelCheckpoint' in source.foreign
    assert module.__name__ not in sys.modules


def test_containers(tmp_path):
    other = {key: value + 1 for key, value in WEIGHTS.items() if value.numel() == 6}
    content = {'model': WEIGHTS, 'ema': other, 'steps': 3, 'discriminator': other}
    torch.save(content, tmp_path / 'x.pt')
    source = reading.read(tmp_path / 'x.pt', LLAMAGEN, container='model')
    beside = {f'discriminator.{key}': value for key, value in other.items()}
    assert equal(source.weights, WEIGHTS | beside)
    assert source.container == 'model' and source.others == ('ema', 'steps')
    assert reading.read(tmp_path / 'x.pt', LLAMAGEN).container == 'ema'
    with pytest.raises(ConversionError, match=r"holds model, ema, .*one of \['nets'\]"):
        reading.read(tmp_path / 'x.pt', LLAMAGEN, container='nets')


def test_wrappers_are_taken_off(tmp_path):
    wrapped = {f'module._orig_mod.{key}': value for key, value in WEIGHTS.items()}
    torch.save({'model': wrapped}, tmp_path / 'x.pt')
    source = reading.read(tmp_path / 'x.pt', LLAMAGEN)
    assert equal(source.weights, WEIGHTS) and source.wrapper == 'module._orig_mod.'


def test_folders(tmp_path):
    with pytest.raises(ConversionError, match='holds no weights'):
        reading.read(tmp_path, TAMING)
    save_file({'a': torch.ones(1)}, tmp_path / 'a.safetensors')
    (tmp_path / 'config.json').write_text('{"layers_per_block": 2}')
    assert reading.read(tmp_path, TAMING).settings == {'layers_per_block': 2}
    save_file({'a': torch.ones(1)}, tmp_path / 'b.safetensors')
    with pytest.raises(ConversionError, match=r'a\.safetensors, b\.safetensors'):
        reading.read(tmp_path, TAMING)


def damaged(kind):
    """Return the bytes of a file that is none."""
    if kind == 'page':
        return b'<html>quota exceeded</html>'
    if kind == 'empty':
        return b''
    if kind == 'pickle':
        return pickle.dumps({'state_dict': 3})
    return None


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('kind', ['page', 'empty', 'cut', 'zip', 'pickle', 'trap'])
def test_what_is_no_checkpoint_is_named(kind, tmp_path):
    file = tmp_path / 'x.ckpt'
    content = damaged(kind)
    if content is not None:
        file.write_bytes(content)
    elif kind == 'zip':
        with zipfile.ZipFile(file, 'w') as archive:
            archive.writestr('readme', 'nothing')
    elif kind == 'trap':  # in the old form, which only torch itself reads
        torch.save(
            {'x': Trap(tmp_path / 'touched')},
            file,
            _use_new_zipfile_serialization=False,
        )
    else:
        torch.save({'state_dict': WEIGHTS, 'x': Trap(tmp_path / 'touched')}, file)
        file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(ConversionError, match=r'x\.ckpt is damaged, or'):
        reading.read(file, TAMING)
    assert not (tmp_path / 'touched').exists()


def test_no_weights_and_no_file(tmp_path):
    torch.save({'steps': 3, 'state_dict': {'a': 1}}, tmp_path / 'x.ckpt')
    with pytest.raises(ConversionError, match=r'holds steps, state_dict; expected'):
        reading.read(tmp_path / 'x.ckpt', TAMING)
    torch.save([1, 2], tmp_path / 'x.ckpt')
    with pytest.raises(ConversionError, match='holds a list'):
        reading.read(tmp_path / 'x.ckpt', TAMING)
    with pytest.raises(FileNotFoundError, match='y.ckpt'):
        reading.read(tmp_path / 'y.ckpt', TAMING)


def test_hostile_archives_fail_cleanly(tmp_path):
    """A tensor larger than its storage, and a state for a class that is a stand-in."""
    file = tmp_path / 'x.ckpt'
    torch.save({'state_dict': {'a': torch.ones(4)}, 'x': Trap(tmp_path / 't')}, file)
    with zipfile.ZipFile(file) as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    (storage,) = [name for name in names if name.endswith('data/0')]
    names[storage] = names[storage][:4]
    with zipfile.ZipFile(file, 'w') as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    with pytest.raises(ConversionError, match='damaged'):
        reading.read(file, TAMING)
