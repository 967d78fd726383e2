"""A validator knows before the first image what it cannot, or must not, compare."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.train import CONFIG
from tests.log import Records
from tests.metrics.averages import (
    AVERAGES,
    FID,
    synthetic,
    validator,
    write_statistics,
)
from tests.ranks import run_ranks
from vq import cli, commands, distributed, paths, test, train, val
from vq.datasets import SyntheticDataset
from vq.logs import read_json_lines
from vq.metrics.base import Metric
from vq.metrics.features import MismatchError
from vq.metrics.protocol import Protocol
from vq.registry import DATASETS, METRICS

L1 = dict(type='L1')
WEIGHTLESS = dict(AVERAGES, weights='nowhere/averages.pth')


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the repository, without data or weights."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    return tmp_path


@pytest.fixture
def stamp(root: Path) -> Protocol:
    """The stamp of statistics of the pictures themselves, called synthetic_val."""
    path = root / 'pretrained' / 'fid' / 'synthetic_val.safetensors'
    return write_statistics(path, DATASETS.build(synthetic()))


def stamped(root: Path, **changes: Any) -> None:
    """Write these statistics with changes of the stamp."""
    path = root / 'pretrained' / 'fid' / 'synthetic_val.safetensors'
    write_statistics(path, DATASETS.build(synthetic()), changes=changes)


def fid(**changes: Any) -> dict[str, dict[str, Any]]:
    """Return the configs of FID and a metric that needs nothing."""
    return dict(fid=dict(dict(FID, reference='synthetic_val'), **changes), l1=L1)


MISSING: dict[str, tuple[dict[str, Any], str]] = {
    'val': (
        dict(reference='my_set_val'),
        'my_set_val.safetensors is missing; make it: auto_torchrun -m vq.fid my_set',
    ),
    'train': (
        dict(reference='imagenet_train'),
        'imagenet_train.safetensors is missing; make it: auto_torchrun -m vq.fid '
        'imagenet --train',
    ),
    'weights': (dict(extractor=WEIGHTLESS), 'nowhere/averages.pth does not exist'),
}


@pytest.mark.parametrize('what', MISSING)
def test_what_is_missing_is_said_before_an_image_is_read(
    what: str, root: Path, stamp: Protocol, log: Records
) -> None:
    changes, told = MISSING[what]
    metrics = fid(**changes)
    with pytest.raises(FileNotFoundError) as error:
        validator(root, metrics=metrics)  # it is not even run
    assert str(error.value).startswith('metric fid: ')
    assert told in str(error.value)
    assert str(error.value).endswith('--skip-missing measures without it')

    runner = validator(root, metrics=metrics, skip_missing=True)
    assert len(log.warnings) == 1
    assert log.warnings[0].startswith('metric fid is left out: ')
    assert told in log.warnings[0]
    assert runner.run() == validator(root, metrics=dict(l1=L1)).run()
    assert list(runner.protocols()) == ['data', 'l1']


KNOWN_BEFORE: dict[str, Any] = dict(
    dataset='ImageNet',
    split='train',
    number=7,
    ids='aa',
    crop='CenterCrop(size=9)',
    resizer='quarters^3',
    extractor='Inception',
    weights='bb',
    dtype='float16',
)


@DATASETS.register_module()
class ValDataset(SyntheticDataset):
    """Synthetic pictures that are called a validation split."""

    split = 'val'


@pytest.mark.parametrize('field', [*KNOWN_BEFORE, 'size'])
def test_each_mismatch_is_refused_or_recorded(
    field: str, root: Path, log: Records
) -> None:
    data = dict(synthetic(), type='ValDataset')
    path = root / 'pretrained' / 'fid' / 'synthetic_val.safetensors'
    stamp = write_statistics(path, DATASETS.build(data))
    ours, theirs = getattr(stamp, field), KNOWN_BEFORE.get(field, '256x256')
    write_statistics(path, DATASETS.build(data), changes={field: theirs})
    told = f'{path} was measured in another way: {field} is {ours}, there {theirs}'
    with pytest.raises(MismatchError) as error:
        runner = validator(root, metrics=fid(), dataset=data)
        assert field == 'size'  # which only the pictures tell
        runner.run()
    assert told in str(error.value)
    assert '--allow-mismatch' in str(error.value)

    runner = validator(root, metrics=fid(), dataset=data, allow_mismatch=True)
    found = runner.run()
    assert found['fid'] > 0
    assert runner.run() == found
    assert log.warnings == [told]  # once, not at each run
    assert runner.protocols()['fid']['mismatch'] == {field: [ours, theirs]}


def test_samples_are_compared_with_any_data(root: Path, stamp: Protocol) -> None:
    data = {k: KNOWN_BEFORE[k] for k in ('dataset', 'split', 'number', 'ids', 'crop')}
    stamped(root, **data)
    runner = validator(root, metrics=fid(), generated=True)
    alike = validator(root, metrics=fid(), allow_mismatch=True)
    assert runner.run() == alike.run()
    protocols = runner.protocols()
    assert protocols['data'] == dict(number=101, version=stamp.version)
    assert 'mismatch' not in protocols['fid']
    assert 'dataset' not in protocols['fid']
    stamped(root, weights='bb')
    with pytest.raises(MismatchError, match='weights is random, there bb'):
        validator(root, metrics=fid(), generated=True)


def test_pictures_of_many_sizes_are_not_said_to_be_of_one(
    root: Path, stamp: Protocol
) -> None:
    mixed = dict(
        type='ConcatDataset',
        datasets={
            str(size): dict(type='SyntheticDataset', length=5, size=size, transforms=[])
            for size in (8, 9)
        },
    )
    changes: dict[str, Any] = dict(
        metrics=fid(), dataset=mixed, generated=True,
        dataloader=dict(batch_size=1, num_workers=0),
    )  # fmt: skip
    with pytest.raises(MismatchError, match='size is various, there 8x8'):
        validator(root, **changes).run()
    runner = validator(root, **changes, allow_mismatch=True)
    runner.run()
    assert runner.protocols()['fid']['size'] == 'various'


def wrong_size(root: Path) -> None:
    """Meet another size on this rank; the last rank has no picture."""
    paths.ROOT = root
    validator(root, metrics=fid(), dataset=synthetic(1), generated=True).run()


def test_no_rank_waits_for_one_that_refuses(root: Path, stamp: Protocol) -> None:
    stamped(root, size='256x256')
    with pytest.raises(RuntimeError, match='MismatchError.*size is 8x8, there 256x256'):
        run_ranks(wrong_size, 2, root, timeout=60)


def one_node_lacks_a_file(root: Path) -> dict[str, float]:
    """Validate where only rank 0 finds the statistics."""
    paths.ROOT = root if distributed.is_main() else root / 'other_node'
    return validator(root, metrics=fid(), skip_missing=True).run()


def test_all_ranks_leave_a_metric_out(root: Path, stamp: Protocol) -> None:
    alone = validator(root, metrics=dict(l1=L1)).run()
    found = run_ranks(one_node_lacks_a_file, 2, root, timeout=60)
    assert found == [pytest.approx(alone, rel=1e-12)] * 2


def test_a_dry_run_compares_with_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    stamped(root, extractor='Inception', size='256x256')
    monkeypatch.setenv('DRY_RUN', 'True')
    metrics = dict(
        fid(),
        other=dict(FID, reference='none_val'),
        third=dict(fid()['fid'], extractor=WEIGHTLESS),
    )
    runner = validator(root, metrics=metrics)
    found = runner.run()
    assert list(found) == ['fid', 'l1', 'other', 'third']
    assert sorted(w.split(': ')[1] for w in log.warnings) == [
        'Averages is random',
        'compared with nothing, hence nan',
    ]
    json.dumps(runner.protocols())


def test_protocols_say_what_numbers_mean(root: Path, stamp: Protocol) -> None:
    metrics = dict(
        fid(),
        sfid=dict(FID, type='SFIDMetric', reference='synthetic_val'),
        mse=dict(type='MSE'),
        psnr=dict(type='PSNR'),
        ssim=dict(type='SSIM', window='uniform'),
        codebook=dict(type='CodebookMetric', codebook_size=32),
    )
    runner = validator(root, metrics=metrics)
    runner.run()
    found = runner.protocols()
    assert json.loads(json.dumps(found)) == found
    pixels = dict(pixels='uint8 / 255')
    ours = dict(
        stamp.to_dict(),
        reference='synthetic_val',
        reference_protocol=stamp.to_dict(),
    )
    data = DATASETS.build(synthetic())
    assert found['data']['ids'] == ours['ids']
    assert found['data']['number'] == len(data)
    assert found['fid'] == found['sfid'] == ours
    assert found['l1'] == found['mse'] == found['psnr'] == pixels
    assert found['ssim'].items() >= dict(pixels, window='uniform').items()
    assert found['codebook'] == dict(token_sizes=[32], entropy='nats')


def test_a_metric_may_have_nothing_to_say() -> None:
    class Silent(Metric):
        def _update(self, batch: Any, reconstruction: Any) -> None: ...

        def compute(self) -> float:
            return 0.0

    assert Silent().protocol() == {}
    lpips = METRICS.get('LPIPSMetric')
    with torch.device('meta'):
        assert lpips().protocol()['trunk'] == 'vgg16'


def test_commands_record_the_protocols(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = dict(
        type='SyntheticDataset',
        length=11,
        size=20,
        transforms=[dict(type='Resize', size=16), dict(type='CenterCrop', size=16)],
    )
    path = root / 'pretrained' / 'fid' / 'synthetic_val.safetensors'
    write_statistics(path, DATASETS.build(data), changes=dict(size='16x16'))
    config = json.dumps(dict(FID, reference='synthetic_val')).replace('"', "'")
    words = [str(CONFIG), '--override', f'.validator.metrics.fid:{config}']

    def run(module: Any, parser: Any, *arguments: str) -> None:
        commands.command(module.run)(parser().parse_args(arguments))

    run(train, cli.train_parser, 'tiny', str(CONFIG))
    run(val, cli.val_parser, 'tiny', *words, '--load-from', 'iter_12')
    model = ['--load-model-from', 'work_dirs/tiny/checkpoints/iter_12/model.pth']
    run(test, cli.test_parser, 'tiny', *words, *model)
    records = [
        read_json_lines(root / 'work_dirs' / name / 'metrics.jsonl')[-1]
        for name in ('tiny/val', 'tiny_test')
    ]
    assert records[0]['fid'] == records[1]['fid']
    for record in records:
        protocol = record['protocols']['fid']
        assert protocol['size'] == '16x16'
        assert protocol['crop'] == 'Resize(size=16) CenterCrop(size=16)'
        assert protocol['ids'] == protocol['reference_protocol']['ids']
        assert record['protocols']['data']['number'] == 11

    path.unlink()
    with pytest.raises(SystemExit):
        run(test, cli.test_parser, 'tiny', *words, *model)
    out = capsys.readouterr().out
    assert 'auto_torchrun -m vq.fid synthetic; --skip-missing measures' in out
    run(test, cli.test_parser, 'less', *words, *model, '--skip-missing')
    record = read_json_lines(root / 'work_dirs/less_test/metrics.jsonl')[-1]
    assert 'fid' not in record
    assert record['psnr'] == records[1]['psnr']
