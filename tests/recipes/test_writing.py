"""A config says what its bases do not, and nothing else."""

import pytest

from vq import paths
from vq.config import load
from vq.recipes.ledger import LEFT, Row
from vq.recipes.writing import difference, over_bases, text

BASES = ['models/vqgan.py', 'datasets/imagenet.py', 'augment/weak.py']
BASES += ['schedules/vqgan.py', 'strategies/ddp.py', 'runtime.py']


def loaded(wanted, tmp_path):
    fragments = over_bases(BASES, wanted)
    path = tmp_path / 'x.py'
    path.write_text(text(fragments, bases=BASES, title='X.', out=path))
    return fragments, load(path)


@pytest.mark.parametrize(
    'wanted',
    [
        dict(iters=5, train_dataloader=dict(batch_size=7)),
        dict(model=dict(discriminator=None, tokenizer=dict(encoder=dict(depth=3)))),
        dict(model=dict(decoder=dict(type='MoVQDecoder', width=64))),
        dict(train_callbacks=dict(ema=dict(type='EMACallback', decay=0.5))),
        dict(optimizers=dict(generator=dict(betas=(0.1, 0.2), clip_grad=1.0))),
    ],
)
def test_what_is_wanted_is_what_loads(wanted, tmp_path):
    fragments, config = loaded(wanted, tmp_path)
    assert fragments  # and again, nothing is left to say
    tree = dict(
        model=config.trainer.model,
        iters=config.trainer.iters,
        train_dataloader=config.trainer.dataloader,
        optimizers=config.trainer.optimizers,
        train_callbacks={c.type[:3].lower(): c for c in config.trainer.callbacks},
    )
    tree['model'].setdefault('discriminator', None)
    said = tree | dict(train_callbacks=dict(ema=tree['train_callbacks'].get('ema')))
    assert difference(wanted, said) == {}


def test_what_bases_or_classes_say_is_left_out():
    encoder = dict(width=128, width_mults=[1, 1, 2, 2, 4], attention=(-1,))
    wanted = dict(
        model=dict(
            tokenizer=dict(encoder=encoder, quantizer=dict(dim=256, codebook_size=16)),
            discriminator=dict(type='PatchDiscriminator', depth=3, norm='batch'),
            discriminator_start=0,
        ),
        train_callbacks=dict(ema=None, log=dict(interval=50)),
    )
    quantizer = dict(quantizer=dict(codebook_size=16))
    assert over_bases(BASES, wanted) == dict(model=dict(tokenizer=quantizer))


def test_another_class_replaces():
    fragments = over_bases(BASES, dict(model=dict(pre_decode=dict(type='Identity'))))
    expected = dict(_delete_=True, type='Identity')
    assert fragments == dict(model=dict(pre_decode=expected))


def test_bases_by_their_way_from_the_config():
    far = text({}, bases=BASES, title='X.')
    near = text({}, bases=BASES, title='X.', out=paths.ROOT / 'configs/mine/x.py')
    assert "'configs/_base_/runtime.py'" in far and "'../_base_/runtime.py'" in near


def test_what_is_not_carried_stands_at_the_end():
    rows = [Row('a.b', 1, LEFT, 'no place'), Row('c', 2, 'carried', 'iters')]
    lines = text(dict(iters=3), bases=[], title='X.', rows=rows).splitlines()
    assert lines[-2:] == ['# Not carried from there:', '# a.b=1: no place']
