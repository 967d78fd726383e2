"""What files say, told from their content: numbers are numbers."""

import json

import pytest

from tests.recipes.settings import EXAMPLES, example, small
from vq.recipes.errors import RecipeError
from vq.recipes.reading import flags, read


@pytest.mark.parametrize('path', sorted(EXAMPLES.iterdir()), ids=lambda p: p.name)
def test_kinds_are_told_from_the_content(path):
    kinds = dict(mo='taming', ta='taming', ad='adapter')
    kind = kinds.get(
        path.name[:2], 'llamagen_gpt' if 'gpt' in path.name else 'llamagen'
    )
    assert read(path).kind == kind == read(path, kind=kind).kind


def test_numbers_that_yaml_takes_for_strings(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text(
        'model:\n  target: a.VQModel\n  base: 4.5e-6\n  lr: 1e-4\n  other: 1.0e-4\n'
        '  same: ${model.lr}\n  n: 10\n  s: v1e4\n  none: None\n  list: [1e-3, 2]\n'
    )
    told = read(path).tree['model']
    assert told == dict(
        target='a.VQModel',
        base=4.5e-6,
        lr=1e-4,
        other=1e-4,
        same=1e-4,
        n=10,
        s='v1e4',
        none=None,
        list=[1e-3, 2],
    )


def test_json_and_yaml_are_one(tmp_path):
    tree = example('movqgan_67M.yaml')
    (tmp_path / 'x.json').write_text(json.dumps(tree))
    assert read(tmp_path / 'x.json').tree == read(EXAMPLES / 'movqgan_67M.yaml').tree


def test_flags_in_all_forms():
    text = (
        '# --vq-model VQ-8\nset -x\n'
        'torchrun --nnodes=2 a/vq_train.py --ema --lr 2e-4 \\\n'
        ' --vq-model=VQ-16 --epochs 3 --loss \'a b\' --beta1 .5 "$@" more # end\n'
    )
    assert flags(text, 'llamagen') == {
        'torchrun --nnodes': 2,
        '--ema': True,
        '--lr': 2e-4,
        '--vq-model': 'VQ-16',
        '--epochs': 3,
        '--loss': 'a b',
        '--beta1': 0.5,
        '--beta1 more': 'more',
    }


def test_flags_alone_on_lines_of_their_own():
    text = '--vq-model VQ-16\n--image-size 128 # comment\n--ema\n'
    expected = {'--vq-model': 'VQ-16', '--image-size': 128, '--ema': True}
    assert flags(text, 'llamagen') == expected
    text = 'vq_train.py --vq-model VQ-16 --results-dir runs/of.sh --ema'
    expected = {'--vq-model': 'VQ-16', '--results-dir': 'runs/of.sh', '--ema': True}
    assert flags(text, 'llamagen') == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            json.dumps(small('taming.models.cond.Net2NetTransformer')),
            'proposal network',
        ),
        ('model: {target: a.VQModel, lr: "${model.nowhere}"}', 'refers to nothing'),
        (json.dumps(dict(model_type='X')), 'known is TamingVQGAN'),
        ('model: {params: {}}', 'no kind known here'),
        ('model: {target: "${model.target}"}', 'refer to themselves'),
        ('- 1', 'holds no settings, but a list'),
        ('a: [', 'neither JSON nor YAML'),
        ('x.py --vq-model A\ny.py --gpt-model B', 'choose by --kind'),
        ('x.py --vq-model A\ny.py --vq-model B', '2 commands of llamagen'),
        ("vq_train.py --vq-model 'A", 'no command line'),
    ],
)
def test_what_is_no_settings(tmp_path, text, message):
    path = tmp_path / 'x'
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read(path)


def test_a_kind_that_it_is_not(tmp_path):
    path = EXAMPLES / 'adapter_least.json'
    with pytest.raises(RecipeError, match="of kind 'adapter', not 'taming'"):
        read(path, kind='taming')
    with pytest.raises(RecipeError, match='kind is one of'):
        read(path, kind='tamming')
