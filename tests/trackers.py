"""What W&B and SwanLab write without a network: both keep blocks of records."""

import json
import struct
import time
from pathlib import Path
from typing import Any

BLOCK = 32 * 1024
FILE_HEADER = 7
RECORD_HEADER = '<IHB'  # checksum, length, kind: whole, first, middle, last
WHOLE, LAST = 1, 4
PATIENCE = 20.0  # seconds


def records(path: Path) -> list[bytes]:
    """Return the records of a file, put together where they cross blocks."""
    data, found, part, at = path.read_bytes(), [], b'', FILE_HEADER
    size = struct.calcsize(RECORD_HEADER)
    while at + size <= len(data):
        if BLOCK - at % BLOCK < size:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from(RECORD_HEADER, data, at)
        if at + size + length > len(data):  # it is being written
            break
        part += data[at + size : at + size + length]
        at += size + length
        if kind in (WHOLE, LAST):
            found.append(part)
            part = b''
    return found


def wandb_runs(folder: Path) -> list[dict[str, Any]]:
    """Return what each run in a folder's `wandb/` has logged.

    That is `id`, `name`, `project`, `group`, `config`, and `rows`, dicts of values.
    """
    from wandb.proto import wandb_internal_pb2 as proto

    runs = []
    for path in sorted(folder.glob('wandb/offline-run-*/*.wandb')):
        run: dict[str, Any] = dict(rows=[], path=path.parent)
        for record in _finished(path, proto.Record):
            kind = record.WhichOneof('record_type')
            if kind == 'run':
                items = record.run.config.update
                config = {item.key: json.loads(item.value_json) for item in items}
                run |= dict(
                    id=record.run.run_id,
                    name=record.run.display_name,
                    project=record.run.project,
                    group=record.run.run_group,
                    config=config,
                )
            elif kind == 'history':
                run['rows'].append(_nested(record.history.item))
        runs.append(run)
    return runs


def _finished(path: Path, kind: Any) -> list[Any]:
    """Return a file's records, once another process has written the last."""
    until = time.monotonic() + PATIENCE
    while True:
        found = [kind.FromString(data) for data in records(path)]
        if any(record.HasField('exit') for record in found):
            return found
        assert time.monotonic() < until, f'{path} has no end'
        time.sleep(0.02)


def _nested(items: Any) -> dict[str, Any]:
    """Return a row: a picture is the dict of what is said about it."""
    row: dict[str, Any] = {}
    for item in items:
        value = json.loads(item.value_json)
        keys = item.nested_key or [item.key]
        if len(keys) == 1:
            row[keys[0]] = value
        else:
            row.setdefault(keys[0], {})[keys[1]] = value
    return {key: value for key, value in row.items() if key[0] != '_'}


def swanlab_runs(folder: Path) -> list[dict[str, Any]]:
    """Return what each run in a folder's `swanlab/` has logged.

    That is `id`, `name`, `project`, and by key and step `scalars` and the `pictures`'
    file names.
    """
    from swanlab.proto.swanlab.record.v1 import record_pb2 as proto

    runs = []
    for path in sorted(folder.glob('swanlab/run-*/*.swanlab')):
        run: dict[str, Any] = dict(scalars={}, pictures={}, path=path.parent)
        for data in records(path):
            record = proto.Record()
            record.ParseFromString(data)
            if record.HasField('start'):
                start = record.start
                run |= dict(id=start.id, name=start.name, project=start.project)
            elif record.HasField('scalar'):
                one = record.scalar
                run['scalars'][one.key, one.step] = one.value.number
            elif record.HasField('media'):
                one = record.media
                names = [item.filename for item in one.value.items]
                run['pictures'][one.key, one.step] = names
        runs.append(run)
    return runs
