"""YAML of VQGANs: all classes, and the temperature of Gumbel's."""

import pytest

from tests.recipes.settings import example, small
from vq.callbacks import AnnealCallback
from vq.recipes.autoencoders import recipe
from vq.recipes.errors import RecipeError
from vq.recipes.ledger import LEFT, UNKNOWN, Ledger
from vq.recipes.recipe import Options


def read(tree, **options):
    ledger = Ledger.of(tree)
    return recipe(ledger, Options(**options)), ledger


@pytest.mark.parametrize(
    ('target', 'family', 'quantizer', 'decoder'),
    [
        ('taming.models.vqgan.VQModel', 'taming', 'VectorQuantizer', 'ConvDecoder'),
        ('models.vqgan.EMAVQ', 'taming', 'EMAQuantizer', 'ConvDecoder'),
        ('taming.models.vqgan.GumbelVQ', 'taming', 'GumbelQuantizer', 'ConvDecoder'),
        ('movqgan.models.vqgan.MOVQ', 'movqgan', 'VectorQuantizer', 'MoVQDecoder'),
        ('movqgan.models.gumbel_vq.GumbelVQ', 'movqgan', 'GumbelQuantizer', ''),
        ('movqgan.models.vq.VQModel', 'movqgan', 'VectorQuantizer', 'ConvDecoder'),
    ],
)
def test_classes_of_any_module(target, family, quantizer, decoder):
    made, _ = read(small(target))
    model = made.fragments['model']
    assert made.family == family
    assert model['tokenizer']['quantizer']['type'] == quantizer
    assert decoder in ('', model['decoder']['type'])


@pytest.mark.parametrize('name', ['VQSegmentationModel', 'VQNoDiscModel'])
def test_without_a_discriminator(name):
    loss = dict(target='taming.modules.losses.segmentation.BCELossWithQuant')
    params = dict(lossconfig=loss) if name == 'VQSegmentationModel' else {}
    made, ledger = read(small(f'taming.models.vqgan.{name}', **params))
    assert 'discriminator' not in ledger.remarks
    assert made.fragments['model']['discriminator'] is None
    assert made.fragments['optimizers']['discriminator'] is None


def test_the_seeds_numbers():
    made, ledger = read(example('movqgan_67M.yaml'))
    fragments = made.fragments
    assert fragments['train_dataloader'] == dict(batch_size=16, num_workers=12)
    generator = fragments['optimizers']['generator']
    assert (generator['lr'], generator['betas']) == (1e-4, (0.5, 0.9))
    assert generator['params'] == ['tokenizer', 'decoder']  # the connector is within
    assert fragments['train_callbacks']['ema']['decay'] == 0.9999
    assert fragments['model']['discriminator_start'] == 1
    assert not [r for r in ledger.rows(fragments) if r.state == LEFT]


@pytest.mark.parametrize('nodes', [1, 2])
def test_tamings_rule_of_the_learning_rate_counts_one_node(nodes):
    tree = small()
    tree['model']['base_learning_rate'] = 4.5e-6
    tree['data'] = dict(target='main.DataModule', params=dict(batch_size=3))
    trainer = dict(gpus='0,1,', num_nodes=nodes, accumulate_grad_batches=5)
    fragments = read(tree | dict(lightning=dict(trainer=trainer)))[0].fragments
    rate = fragments['optimizers']['generator']['lr']
    assert rate == pytest.approx(5 * 2 * 3 * 4.5e-6)
    assert fragments['train_dataloader']['batch_size'] == 5 * 2 * 3 * nodes


def test_the_temperature_falls_as_there():
    config = dict(warm_up_steps=100, max_decay_steps=300, lr_max=0.9, lr_min=0.1)
    params = dict(temperature_scheduler_config=dict(params=dict(config, lr_start=0.5)))
    made, ledger = read(small('a.GumbelVQ', kl_weight=1e-4, **params))
    told = dict(made.fragments['train_callbacks']['temperature'])
    ours = AnnealCallback(**told)
    # Half a cosine over the steps from 100 to 300.
    expected = {0: 0.9, 100: 0.9, 200: 0.5, 300: 0.1, 999: 0.1}
    assert {i: pytest.approx(ours.value(i)) for i in expected} == expected
    left = [row.key for row in ledger.rows(made.fragments) if row.state == LEFT]
    assert left == ['model.params.temperature_scheduler_config.params.lr_start']
    quantizer = made.fragments['model']['tokenizer']['quantizer']
    assert quantizer['kl_weight'] == 1e-4


def test_what_has_no_place_is_named():
    params = dict(
        remap='x.npy', colorize_nlabels=3, image_key='segmentation', odd=1, monitor=None
    )
    made, ledger = read(small(**params) | dict(ckpt_path='a.ckpt', strange=2))
    told = {
        row.key.rpartition('.')[2]: row.told
        for row in ledger.rows(made.fragments)
        if row.state == LEFT
    }
    names = {'remap', 'colorize_nlabels', 'image_key', 'odd', 'ckpt_path', 'strange'}
    assert set(told) == names
    assert (told['odd'], told['strange']) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ('tree', 'message'),
    [
        (small('a.VQVAE'), "model.target is 'a.VQVAE'; known are VQModel, EMAVQ"),
        (small(n_embed=None), 'n_embed and model.params.embed_dim are needed'),
    ],
)
def test_what_is_no_model_of_ours(tree, message):
    with pytest.raises(RecipeError, match=message):
        read(tree)
