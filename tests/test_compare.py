"""Runs side by side: every number is that of its record, and says what it means."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.runs import TINY
from vq import cli, commands, compare, paths, train, val
from vq.comparison import cost, differences, meaning, records, table
from vq.config import load
from vq.logs import append_json, read_json_lines

DATA = dict(dataset='Faces', split='val', number=8, ids='0' * 64, version='vq 0.1')
REFERENCE = dict(number=50, size='16x16', version='vq 0.1')


def told(*words: str) -> str:
    """Return what the command prints."""
    return compare.run(cli.compare_parser().parse_args(words))


def parsed(*words: str) -> list[dict[str, str]]:
    """Return the rows of the command's CSV."""
    return list(csv.DictReader(io.StringIO(told(*words, '--format', 'csv'))))


def piped(text: str) -> list[dict[str, str]]:
    """Return the rows of the first table of a Markdown text."""
    first = text.split('\n\n')[0].splitlines()
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in first]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def number(cell: str) -> float:
    """Return a number of a table, without its marks."""
    return float(re.sub(r'\*\*| \[\w+\]', '', cell))


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two tiny runs, trained and validated by the commands."""
    root = tmp_path_factory.mktemp('root')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'ROOT', root)
        for name, lr in (('low', '0.001'), ('high', '0.01')):
            words = [name, str(TINY), '--override', '.trainer.iters:4']
            words += [f'.trainer.optimizers.generator.lr:{lr}']
            words += ['.trainer.callbacks[-1].interval:2']
            for module, parser in ((train, cli.train_parser), (val, cli.val_parser)):
                args = parser().parse_args(words)
                commands.command(module.run)(args)
    return root


@pytest.fixture
def runs(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, 'ROOT', trained)
    return trained / 'work_dirs'


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hand-made folders: two alike, one of other images, one of before protocols."""
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    root = tmp_path / 'work_dirs'
    small = DATA | dict(ids='1' * 64, number=4)
    write(root / 'a', dict(fid=4.5, psnr=20.0), DATA)
    write(root / 'b', dict(fid=4.0, psnr=21.0), DATA)
    write(root / 'c', dict(fid=3.5), small)
    write(root / 'd', dict(fid=3.0, psnr=25.0), None)
    write(root / 'e', dict(fid=2.0), DATA, dict(mismatch=dict(size=['8x8', '16x16'])))
    return root


def write(
    folder: Path,
    metrics: dict[str, float],
    data: dict[str, Any] | None,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write a record of a validation."""
    record: dict[str, Any] = dict(checkpoint='iter_9', iteration=9, **metrics)
    if data is not None:
        fid = dict(data, size='8x8', reference='x', reference_protocol=REFERENCE)
        record['protocols'] = dict(data=data, fid=fid | (extra or {}), psnr={})
    append_json(folder / 'val' / 'metrics.jsonl', record)


def test_the_csv_holds_every_number_of_the_records(runs: Path) -> None:
    rows = parsed('low', 'high', '--checkpoints', 'all')
    written = [
        (name, record)
        for name in ('low', 'high')
        for record in read_json_lines(runs / name / 'val' / 'metrics.jsonl')
    ]
    assert len(rows) == len(written) == 4
    for row, (name, record) in zip(rows, written, strict=True):
        record.pop('protocols')
        assert (row['run'], row['checkpoint']) == (name, record.pop('checkpoint'))
        assert {key: float(row[key]) for key in record} == record
    assert not [key for key in rows[0] if key.endswith('_protocol')]  # all alike


def test_text_and_markdown_hold_the_same_numbers(runs: Path) -> None:
    exact = parsed('low', 'high')
    rows = piped(told('low', 'high', '--format', 'markdown'))
    text = told('low', 'high').split('\n\n')[0].splitlines()
    metrics = read_json_lines(runs / 'low' / 'val' / 'metrics.jsonl')[-1].keys()
    shown = [key for key in metrics if key not in ('checkpoint', 'protocols')]
    for want, row, line in zip(exact, rows, text[1:], strict=True):
        plain = dict(zip(text[0].split(), line.split(), strict=True))
        for key in shown:
            assert number(row[key]) == pytest.approx(float(want[key]), rel=1e-5)
            assert plain[key] == row[key].strip('*')
    best = max(float(row['psnr']) for row in exact)
    bold = [number(row['psnr']) for row in rows if row['psnr'].startswith('**')]
    assert bold == [pytest.approx(best, rel=1e-5)]


def test_the_cost_is_what_the_training_left_behind(runs: Path) -> None:
    (row,) = parsed('low')
    speed = read_json_lines(runs / 'low' / 'speed.jsonl')
    hours = 4 * 4 / speed[-1]['images_per_second'] / 3600
    assert len(speed) == 1 and float(row['hours']) == pytest.approx(hours)
    saved = runs / 'low' / 'checkpoints' / 'iter_4'
    weights = load_file(saved / 'model.safetensors').values()
    assert int(row['weights']) == sum(weight.numel() for weight in weights)
    assert (row['images'], row['batch_size'], row['ranks']) == ('16', '4', '1')


def test_hours_leave_out_what_a_resume_did_again(tmp_path: Path) -> None:
    saved = tmp_path / 'checkpoints' / 'iter_4'
    (tmp_path / 'checkpoints' / 'iter_6').mkdir(parents=True)  # iter_4 was deleted
    meta = tmp_path / 'checkpoints' / 'iter_6' / 'meta.json'
    meta.write_text(json.dumps(dict(batch_size=10, world_size=2)))
    for iteration, speed in ((2, 1.0), (4, 7.0), (4, 2.0), (6, 5.0)):
        record = dict(iteration=iteration, images_per_second=speed)
        append_json(tmp_path / 'speed.jsonl', record)
    (tmp_path / 'x.log').write_text('ETA 0:01 Memory 12.50M l1=1\n Memory 9.0M a=1\n')
    found = cost.cost(saved)
    assert found['hours'] * 3600 == pytest.approx(20 / 1.0 + 20 / 2.0)
    assert found['images_per_second'] == 1.5 and found['memory_mib'] == 12.5
    assert (found['images'], found['ranks'], 'weights' in found) == (40, 2, False)


def test_the_configs_differ_where_they_were_made_to(runs: Path) -> None:
    configs = [load(runs / name / TINY.name).tree for name in ('low', 'high')]
    found = differences.differences(configs)
    assert found == {'.trainer.optimizers.generator.lr': ['0.001', '0.01']}
    assert parsed('low', 'high')[1]['.trainer.optimizers.generator.lr'] == '0.01'
    assert 'generator.lr  0.001  0.01' in told('low', 'high')
    assert 'The configs do not differ.' in told('low', 'low')


def test_differences_of_plain_dicts() -> None:
    one = dict(trainer=dict(model=dict(a=1, b=[2]), x=[dict(t=1)]))
    two = dict(trainer=dict(model=dict(a=1, b=[3]), x=[dict(t=1), dict(t=2)]))
    assert differences.differences([one, None, two]) == {
        '.trainer.model.b': ['[2]', None, '[3]'],
        '.trainer.x[1].t': [None, None, '2'],
    }
    for config in (one, two):
        config['validator'] = dict(model=dict(config['trainer']['model']))
    assert list(differences.differences([one, two])) == [
        '.trainer.model.b',  # the validator's is the same and told once
        '.trainer.x[1].t',
    ]
    assert differences.differences([one, one]) == {}


def test_a_callback_more_does_not_make_the_others_differ() -> None:
    log, ema = dict(type='Log', interval=5), dict(type='EMA')
    one, two = ({'trainer': {'callbacks': c}} for c in ([log], [ema, log]))
    assert differences.differences([one, two]) == {
        '.trainer.callbacks.EMA.type': [None, "'EMA'"]
    }
    again = {'trainer': {'callbacks': [log, dict(log, interval=6)]}}
    more = {'trainer': {'callbacks': [log, dict(log, interval=7)]}}
    assert differences.differences([again, more]) == {
        '.trainer.callbacks[1].interval': ['6', '7']
    }


def test_equal_protocols_are_not_marked_and_the_best_is_bold(made: Path) -> None:
    rows = piped(told('a', 'b', '--format', 'markdown'))
    assert [row['fid'] for row in rows] == ['4.5', '**4**']
    assert [row['psnr'] for row in rows] == ['20', '**21**']
    assert '[a]' not in told('a', 'b')


def test_numbers_of_other_images_are_marked(made: Path) -> None:
    text = told('a', 'b', 'c', '--format', 'markdown')
    assert [row['fid'] for row in piped(text)] == ['4.5 [a]', '4 [a]', '3.5 [b]']
    assert [row['psnr'] for row in piped(text)] == ['20', '**21**', '-']
    assert '- [a] fid: number=8, ids=000000000000\n' in text
    assert '- [b] fid: number=4, ids=111111111111\n' in text
    rows = parsed('a', 'c')
    assert rows[1]['fid_protocol'] == 'number=4, ids=111111111111'
    assert rows[1]['psnr'] == '' and 'psnr_protocol' not in rows[1]


def test_unknown_protocols_and_mismatches_are_marked(made: Path) -> None:
    text = told('a', 'd', 'e')
    assert [line.split()[2:4] for line in text.splitlines()[1:4]] == [
        ['4.5', '20'],
        ['3', '[a]'],
        ['2', '[b]'],
    ]
    assert '[a] fid, psnr: unknown protocol' in text
    assert '[b] fid: mismatch.size=8x8 against 16x16' in text
    assert parsed('d')[0]['fid_protocol'] == meaning.UNKNOWN  # even alone


@pytest.mark.parametrize('field', ['size', 'reference', 'crop'])
def test_any_field_of_a_protocol_counts_but_our_version(field: str) -> None:
    one = meaning.meaning('fid', dict(data=DATA, fid=dict(version='vq 0.1')))
    other = meaning.meaning('fid', dict(data=DATA, fid={field: 'z', 'version': 'vq 9'}))
    assert meaning.notes([one, other]) == [f'{field}=unknown', f'{field}=z']
    assert meaning.notes([one, dict(one or {})]) == ['', '']
    lpips = [meaning.meaning('x', dict(x=dict(version=v))) for v in ('0.0', '0.1')]
    assert meaning.notes(lpips) == ['version=0.0', 'version=0.1']


def test_the_part_of_a_metric_has_the_protocol_of_the_whole() -> None:
    protocols = dict(data=dict(number=3), codebook=dict(entropy='nats'))
    assert meaning.meaning('codebook/usage', protocols) == dict(
        number=3, entropy='nats'
    )
    assert meaning.meaning('codebook/usage', None) is None


def test_which_checkpoints_and_metrics_in_which_order(made: Path) -> None:
    folder = made / 'f'
    for i, (fid, usage) in enumerate([(3.0, 0.5), (2.0, 0.6), (5.0, 0.7)]):
        record = {'checkpoint': f'iter_{9 - i}', 'iteration': 9 - i, 'fid': fid}
        record['codebook/usage'] = usage
        append_json(folder / 'val' / 'metrics.jsonl', record)
    append_json(  # measured again, another metric
        folder / 'val' / 'metrics.jsonl', dict(checkpoint='iter_8', iteration=8, l1=1.0)
    )

    def names(*words: str) -> list[str]:
        return [row['checkpoint'] for row in parsed('f', *words)]

    assert names() == ['iter_9']
    assert names('--checkpoints', 'all') == ['iter_7', 'iter_8', 'iter_9']
    assert names('--checkpoints', 'best:fid') == ['iter_8']
    assert names('--checkpoints', 'best:codebook/usage') == ['iter_7']
    words = ['--checkpoints', 'all', '--sort']
    assert names(*words, 'fid') == ['iter_8', 'iter_9', 'iter_7']
    assert names(*words, 'l1') == ['iter_8', 'iter_7', 'iter_9']  # none: last
    row = parsed('f', '--checkpoints', 'best:fid', '--metrics', 'codebook', 'l1')[0]
    assert (row['codebook/usage'], row['l1'], 'fid' in row) == ('0.6', '1.0', False)


def test_a_test_and_a_folder_of_pictures_are_runs_too(runs: Path) -> None:
    latest = runs / 'low' / 'checkpoints' / 'latest'
    latest.unlink(missing_ok=True)
    latest.symlink_to('iter_4')
    record = dict(weights=[str(latest / 'model.pth')], psnr=9.0, protocols={})
    append_json(runs / 'low_test' / 'metrics.jsonl', record)
    append_json(
        runs / 'whole_test' / 'metrics.jsonl', record | {'weights': [str(latest)]}
    )
    fid = dict(source='/samples', fid=7.0, protocols={})
    append_json(runs / 'fid' / 'metrics.jsonl', fid)
    rows = parsed('low', 'low_test', str(runs / 'fid'))
    assert [row['checkpoint'] for row in rows] == ['iter_4', 'iter_4', '/samples']
    assert rows[1]['images'] == rows[0]['images'] == '16' and rows[2]['images'] == ''
    assert [row['run'] for row in rows] == ['low', 'low_test', 'fid']
    (test,), (whole,) = parsed('low_test'), parsed('whole')  # as vq.test was called
    assert whole == test | {'run': 'whole_test'}


@pytest.mark.parametrize(
    ('metric', 'sign'),
    [
        ('fid', -1),
        ('reconstruct_fid', -1),
        ('kid/mean', -1),
        ('kid/standard_error', 0),
        ('ms_ssim', 1),
        ('inception_score/mean', 1),
        ('precision_recall/recall', 1),
        ('fidelity', 0),
        ('codebook/perplexity', 1),
        ('codebook/entropy', 1),
        ('tokens/perplexity', -1),
        ('tokens/loss', -1),
        ('tokens/top5', 1),
        ('gfid', -1),
        ('cross_entropy', -1),
    ],
)
def test_which_direction_is_better(metric: str, sign: int) -> None:
    assert table.direction(metric) == sign


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['aa', 'b'], r"no run 'aa'; did you mean `a`"),
        (['empty'], r'empty holds no val/metrics.jsonl.*vq.val NAME CONFIG'),
        (['a', '--metrics', 'psn'], r"no metric 'psn'; did you mean `psnr`"),
        (['a', '--sort', 'fidd'], r"no metric 'fidd'; did you mean `fid`"),
        (['a', '--checkpoints', 'first'], r"last, all or best:METRIC, got 'first'"),
        (['c', '--checkpoints', 'best:psnr'], r"no metric 'psnr' of c; known: fid"),
        (['a', '--checkpoints', 'best:size'], r'high or a low size is best'),
    ],
)
def test_mistakes(made: Path, words: list[str], message: str) -> None:
    (made / 'empty').mkdir()
    with pytest.raises(SystemExit, match=message):
        compare.main(words)


def test_it_is_printed_or_written(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    compare.main(['a', 'b', '--out', 'x.md', '--format', 'markdown'])
    assert capsys.readouterr().out == ''
    assert (made / 'x.md').read_text() == told('a', 'b', '--format', 'markdown')
    compare.main(['a', 'b'])
    assert capsys.readouterr().out == told('a', 'b')
    assert records.read(str(made / 'a')) == records.read('a')
