"""auto_torchrun: what torchrun is told, and that it starts ranks."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vq.launcher import (
    LaunchError,
    command,
    count_cores,
    count_gpus,
    first_host,
    free_port,
    processes,
    threads,
)

ROOT = Path(__file__).parents[1]
RUN = [sys.executable, '-m', 'torch.distributed.run']
TRAIN = ['-m', 'vq.train', 'name', 'configs/x.py', '--nnodes', 'ours']
SLURM = {
    'SLURM_NNODES': '4',
    'SLURM_NODEID': '2',
    'SLURM_LOCALID': '0',
    'SLURM_JOB_ID': '1234567',
    'SLURM_JOB_NODELIST': 'gpu[007-009,12],login1',
}
SLURM_WORDS = '--nnodes 4 --node-rank 2 --master-addr gpu007 --master-port 24567'

COMMANDS = [
    ({}, [], 8, '--nproc-per-node 8 --master-port 41000'),
    ({}, [], 0, '--nproc-per-node 1 --master-port 41000'),
    ({'DEVICE': 'cpu'}, [], 8, '--nproc-per-node 1 --master-port 41000'),
    ({'CUDA_VISIBLE_DEVICES': '1,3'}, [], 8, '--nproc-per-node 2 --master-port 41000'),
    (
        {'CUDA_VISIBLE_DEVICES': '1,3', 'nproc_per_node': '5'},
        [],
        8,
        '--nproc-per-node 5 --master-port 41000',
    ),
    ({}, ['--nproc_per_node=3'], 8, '--master-port 41000'),
    ({}, ['--nproc-per-node', '3'], 8, '--master-port 41000'),
    ({}, ['--master-port', '5000'], 2, '--nproc-per-node 2'),
    ({}, ['--standalone'], 2, '--nproc-per-node 2'),
    ({}, ['--max-restarts=1'], 2, '--nproc-per-node 2 --master-port 41000'),
    ({}, ['--nnodes', '1'], 2, '--nproc-per-node 2 --master-port 41000'),
    (
        {},
        ['--nnodes=2', '--node_rank=1', '--master_addr=a', '--master-port=1'],
        2,
        '--nproc-per-node 2',
    ),
    ({}, ['--nnodes', '2', '--master-addr', 'a'], 2, '--nproc-per-node 2'),
    ({}, ['--nnodes=1:4', '--rdzv-endpoint', 'a:1'], 2, '--nproc-per-node 2'),
    (SLURM, [], 8, f'--nproc-per-node 8 {SLURM_WORDS}'),
    (SLURM | {'nproc_per_node': '1'}, [], 8, f'--nproc-per-node 1 {SLURM_WORDS}'),
    (SLURM, ['--rdzv-endpoint', 'a:1', '--nnodes=2'], 8, '--nproc-per-node 8'),
    (SLURM, ['--nnodes=1'], 8, '--nproc-per-node 8 --master-port 41000'),
    ({'SLURM_NNODES': '1'}, [], 8, '--nproc-per-node 8 --master-port 41000'),
    (
        SLURM | {'SLURM_STEP_NUM_NODES': '2', 'SLURM_STEP_NODELIST': 'a[2-3]'},
        [],
        1,
        '--nproc-per-node 1 --nnodes 2 --node-rank 2 '
        '--master-addr a2 --master-port 24567',
    ),
]


@pytest.mark.parametrize(('env', 'options', 'gpus', 'expected'), COMMANDS)
def test_command(
    env: dict[str, str], options: list[str], gpus: int, expected: str
) -> None:
    words = command([*options, *TRAIN], env, gpus=gpus, port=41000)
    assert words == [*RUN, *expected.split(), *options, *TRAIN]


def test_a_script_is_run_as_a_module_is() -> None:
    words = command(['tools/fid.py', 'x', '--help'], {}, gpus=1, port=1)
    assert words[-3:] == ['tools/fid.py', 'x', '--help']


@pytest.mark.parametrize(
    ('visible', 'expected'),
    [('0', 1), ('0,1, 2', 3), ('', 1), ('-1', 1), ('2,-1,3', 1), ('GPU-a,GPU-b', 2)],
)
def test_visible_devices_are_counted_as_cuda_does(visible: str, expected: int) -> None:
    assert processes({'CUDA_VISIBLE_DEVICES': visible}, gpus=8) == expected


@pytest.mark.parametrize(
    ('env', 'argv', 'message'),
    [
        ({'nproc_per_node': 'abc'}, TRAIN, "nproc_per_node .* got 'abc'"),
        ({'nproc_per_node': '0'}, TRAIN, "nproc_per_node .* got '0'"),
        ({'nproc_per_node': ''}, TRAIN, "nproc_per_node .* got ''"),
        ({}, [], 'nothing to run'),
        ({}, ['--nnodes', '2'], 'nothing to run'),
        ({}, ['--nnodes', '2', *TRAIN], '--nnodes needs --master-addr'),
        ({}, ['--nnodes', 'two', *TRAIN], "--nnodes .* got 'two'"),
        ({'SLURM_NNODES': '2'}, TRAIN, 'no task of SLURM; .*srun'),
        (SLURM | {'SLURM_LOCALID': '1'}, TRAIN, 'not the first task .*srun'),
        (SLURM | {'SLURM_JOB_ID': 'x'}, TRAIN, "SLURM_JOB_ID .* got 'x'"),
        (SLURM | {'SLURM_JOB_NODELIST': ''}, TRAIN, 'names no host'),
    ],
)
def test_errors_name_the_value(
    env: dict[str, str], argv: list[str], message: str
) -> None:
    with pytest.raises(LaunchError, match=message):
        command(argv, env, gpus=2, port=1)


@pytest.mark.parametrize(
    ('nodes', 'host'),
    [
        ('node1', 'node1'),
        ('node1,node2', 'node1'),
        ('gpu[003-005,007],a1', 'gpu003'),
        ('gpu-[7,9]', 'gpu-7'),
        ('rack[1-2]n[08-09]-ib,x', 'rack1n08-ib'),
        ('a.b-c.d[10]', 'a.b-c.d10'),
    ],
)
def test_first_host(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


@pytest.mark.parametrize(
    ('gpus', 'options', 'expected'),
    [(4, [], 4), (1, [], 16), (32, [], 1), (1, ['--nproc-per-node=gpu'], 1)],
)
def test_threads_share_the_cores(gpus: int, options: list[str], expected: int) -> None:
    words = command([*options, *TRAIN], {}, gpus=gpus, port=1)
    assert threads(words, cores=16) == expected


def test_the_free_port_can_be_taken() -> None:
    with socket.socket() as server:
        server.bind(('', free_port()))


def test_gpus_are_the_lines_of_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    assert count_gpus() == 0
    tool = tmp_path / 'nvidia-smi'
    tool.write_text(
        '#!/bin/sh\necho "GPU 0: A (UUID: a)"\necho "  MIG 1g.10gb Device 0: (b)"\n'
        'echo "GPU 1: A (UUID: c)"\n'
    )
    tool.chmod(0o755)
    assert count_gpus() == 2
    tool.write_text('#!/bin/sh\necho "No devices were found"\nexit 6\n')
    assert count_gpus() == 0


def launch(
    *argv: str, cwd: Path, script: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Start tools/torchrun.sh, or the module, as a user does."""
    start = ['bash', str(ROOT / 'tools' / 'torchrun.sh')]
    if not script:
        start = [sys.executable, '-m', 'vq.launcher']
    kept = {k: v for k, v in os.environ.items() if not k.startswith('OMP_')}
    return subprocess.run(
        [*start, *argv],
        cwd=cwd,
        env=kept | {'PYTHON': sys.executable, 'DEVICE': 'cpu'} | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_is_instant() -> None:
    start = time.monotonic()
    result = launch('--help', cwd=ROOT, script=False)
    assert 'nproc_per_node' in result.stdout
    assert result.returncode == 0
    assert time.monotonic() - start < 2


def test_errors_end_with_a_status(tmp_path: Path) -> None:
    result = launch('x.py', cwd=tmp_path, nproc_per_node='abc')
    assert result.returncode == 1
    assert "nproc_per_node must be a whole number >= 1, got 'abc'" in result.stderr
    assert 'Traceback' not in result.stderr


def test_two_ranks_start_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / 'hello.py').write_text(
        'import os, sys, vq\n'
        'names = ("RANK", "WORLD_SIZE", "OMP_NUM_THREADS")\n'
        'words = [os.environ[name] for name in names] + sys.argv[1:]\n'
        'open(f"rank{words[0]}", "w").write(" ".join(words))\n'
    )
    result = launch('hello.py', '--x', 'y z', cwd=tmp_path, nproc_per_node='2')
    assert result.returncode == 0, result.stderr
    share = max(1, count_cores() // 2)
    for rank in range(2):
        told = (tmp_path / f'rank{rank}').read_text()
        assert told == f'{rank} 2 {share} --x y z'
    assert '--nproc-per-node 2' in result.stderr
    assert 'warn' not in result.stderr.lower()
