"""Aliases: other names of numbers, and sums of several."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.log import Records
from tests.runs import toy_trainer
from vq.callbacks.aliases import absent, aliased

ALIASES = dict(loss='total', both=['total', 'twice', 'later'], g_loss='later')


def test_a_list_is_summed_over_those_that_there_are() -> None:
    known = {'total': 0.5, 'twice': 1.0}
    assert aliased(ALIASES, known) == {'loss': 0.5, 'both': 1.5}
    assert aliased(ALIASES, {'other': 1.0}) == {}


def test_what_is_never_there_is_named_with_the_nearest() -> None:
    aliases = {'a': 'totl', 'v': 'val/l1', 'b': ['total']}
    [line] = absent(aliases, {'total': 1.0, 'twice': 2.0})
    assert line == 'alias a: nothing is called totl so far; did you mean `total`?'


def test_backends_and_scalars_get_both_names_and_the_console_ours(
    tmp_path: Path, log: Records
) -> None:
    callback = dict(type='LogCallback', interval=2, aliases=ALIASES)
    toy_trainer(tmp_path, iters=4, callbacks=[callback]).run()
    lines = (tmp_path / 'scalars.jsonl').read_text().splitlines()
    for record in map(json.loads, lines):
        assert record['loss'] == record['total']
        assert record['both'] == pytest.approx(3 * record['total'])
        assert 'g_loss' not in record
    events = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    found = {
        tag: [event.value for event in events.Scalars(f'train/{tag}')]
        for tag in ('total', 'loss')
    }
    assert found['loss'] == found['total']
    told = [text for text in log.texts() if text.startswith('alias')]
    assert [text.split(';')[0] for text in told] == [
        'alias g_loss: nothing is called later so far'
    ]
    assert not any(' loss=' in text for text in log.texts())
