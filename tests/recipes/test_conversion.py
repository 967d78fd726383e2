"""The examples, at their published sizes, all the way to a checked config."""

import gzip
import json

import pytest

from tests.golden_cases import OWN
from tests.recipes.settings import EXAMPLES
from vq.config import load
from vq.recipes import RecipeError, convert
from vq.recipes.ledger import LEFT

# Which keys have no place.
LEFT_OUT = {
    'llamagen_gpt_B.sh': ['--code-path'],
    'llamagen_gpt_XXXL.txt': ['--drop-path-rate'],
    'llamagen_vq_16.sh': ['--data-path'],
    'llamagen_vq_8.sh': ['--data-path'],
    'taming_imagenet_f16_1024.yaml': [
        'lightning.callbacks.image_logger.params.max_images'
    ],
}
SHAPES = {
    'movqgan_67M.yaml': 'movqgan_67M',
    'movqgan_102M.yaml': 'movqgan_102M',
    'movqgan_270M.yaml': 'movqgan_270M',
    'taming_imagenet_f16_1024.yaml': 'taming_vqgan_imagenet_f16_1024',
    'taming_gumbel_f8_8192.yaml': 'taming_gumbel_openimages_f8_8192',
    'llamagen_vq_16.sh': 'llamagen_vq_ds16_c2i',
    'llamagen_vq_8.sh': 'llamagen_vq_ds8_c2i',
    'llamagen_gpt_B.sh': 'llamagen_c2i_GPT-B',
}


@pytest.mark.parametrize('path', sorted(EXAMPLES.iterdir()), ids=lambda p: p.name)
def test_an_example_is_the_published_network(path, tmp_path):
    name = SHAPES.get(path.name)
    shapes = OWN / 'key_shapes' / f'{name}.json.gz' if name else None
    out = tmp_path / 'x.py'
    done = convert(path, out, checkpoint=shapes)
    assert len(done.checked) == (2 if name else 1)  # an error else
    left = [row.key for row in done.rows if row.state == LEFT]
    assert left == LEFT_OUT.get(path.name, [])
    assert out.read_text() == done.text


def test_the_paper_is_the_shipped_experiment(tmp_path):
    """The bases say the rest: it is the shipped experiment, but for what differs."""
    convert(EXAMPLES / 'taming_imagenet_f16_1024.yaml', tmp_path / 'x.py')
    ours = load(tmp_path / 'x.py').trainer
    shipped = load('configs/vqgan/1024_imagenet_ddp.py').trainer
    assert ours.model.tokenizer.quantizer.pop('legacy_beta')
    assert ours.model.pop('discriminator_start') == 250_001
    assert ours.model == shipped.model
    assert ours.optimizers.generator.lr == 4.5e-6 * 8 * 12
    shipped.optimizers.generator.lr = ours.optimizers.generator.lr
    assert ours.optimizers == shipped.optimizers


def test_a_training_checkpoint_holds_averages_beside_the_network(tmp_path):
    listings = {}
    for name in ('movqgan_67M', 'movqgan_67M_training_extra'):
        path = OWN / 'key_shapes' / f'{name}.json.gz'
        listings |= json.loads(gzip.decompress(path.read_bytes()))['state_dict']
    (tmp_path / 'all.json').write_text(json.dumps(listings))
    source, out = EXAMPLES / 'movqgan_67M.yaml', tmp_path / 'x.py'
    done = convert(source, out, checkpoint=tmp_path / 'all.json')
    # The discriminator's 16 are in both; averages and LPIPS are no part of a network.
    tensors = [line.split()[0] for line in done.checked]
    assert tensors == ['447', '447'] and len(listings) == 431 + 490


def test_a_transformer_over_another_vocabulary(tmp_path):
    (tmp_path / 'x.txt').write_text('--gpt-model GPT-B --vocab-size 4096')
    convert(tmp_path / 'x.txt', tmp_path / 'x.py')
    model = load(tmp_path / 'x.py').trainer.model
    assert model.tokenizer.quantizer.codebook_size == 4096


def test_another_networks_weights_are_an_error_and_leave_nothing(tmp_path):
    shapes = OWN / 'key_shapes' / 'taming_vqgan_imagenet_f16_16384.json.gz'
    path = EXAMPLES / 'taming_imagenet_f16_1024.yaml'
    with pytest.raises(RecipeError, match=r'quantize.embedding.weight \(1024, 256\)'):
        convert(path, tmp_path / 'x.py', checkpoint=shapes)
    assert not list(tmp_path.iterdir())
