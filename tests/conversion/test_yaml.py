"""Settings as YAML read back with a real reader."""

import yaml

from vq.conversion.yaml import dump

SETTINGS = {
    'model': {
        'target': 'a.b',
        'params': {'mults': [1, 2], 'flag': False, 'rate': 1e-6},
    },
    'none': None,
    'colon': 'a: b # c',
}


def test_a_yaml_reader_reads_the_same():
    text = '\n'.join(dump(SETTINGS))
    read = yaml.safe_load(text)
    read['model']['params']['rate'] = float(read['model']['params']['rate'])
    assert read == SETTINGS
