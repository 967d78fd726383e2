"""SIGTERM and Ctrl-C: finish the iteration, save, say how to go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.train import CONFIG, assert_same, checkpoint, train

REPO = Path(__file__).parents[2]


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    """Start `python -m vq.train run` in a process of its own."""
    command = [sys.executable, '-m', 'vq.train', 'run', str(CONFIG), *words]
    env = dict(os.environ, VQ_ROOT=str(root), PYTHONPATH=str(REPO), OMP_NUM_THREADS='1')
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_exactly(tmp_path: Path, number: signal.Signals) -> None:
    words = ['--override', '.trainer.callbacks[-1].interval:1000', '.trainer.iters:60']
    log_each = [*words, '.trainer.callbacks[3].interval:1']
    process = start(tmp_path, *log_each)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if 'Iter [4/60]' in line:
            process.send_signal(number)
    assert process.wait() == 0
    text = ''.join(lines)
    assert f'{number.name}: finishing this iteration' in text
    assert '--auto-resume' in text
    saved = list((tmp_path / 'work_dirs/run/checkpoints').glob('iter_*'))
    assert len(saved) == 1 and saved[0].name != 'iter_60'
    train(tmp_path, *log_each, '--auto-resume')
    train(tmp_path / 'whole', *log_each)
    assert_same(checkpoint(tmp_path / 'whole', 60), checkpoint(tmp_path, 60))


def test_a_second_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path, '--override', '.trainer.iters:100000')
    assert first.stdout is not None
    try:
        for line in first.stdout:
            if 'saved' in line:
                break
        before = list((tmp_path / 'work_dirs/run').glob('*.log'))
        second = start(tmp_path, '--override', '.trainer.iters:5')
        text, _ = second.communicate()
        assert list((tmp_path / 'work_dirs/run').glob('*.log')) == before
        assert 'iters=100000' in (tmp_path / 'work_dirs/run/tiny_vqgan.py').read_text()
        assert second.returncode == 1
        assert f'is in use by process {first.pid}' in text
    finally:
        first.kill()
        first.communicate()


def test_a_waiting_validation_ends_at_once(tmp_path: Path) -> None:
    command = [sys.executable, '-m', 'vq.val', 'run', str(CONFIG), '--watch']
    env = dict(os.environ, VQ_ROOT=str(tmp_path), PYTHONPATH=str(REPO))
    with subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts background jobs, and so this test, perhaps, with it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if 'waiting for checkpoints' in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT
    assert 'interrupted' in lines[-1]
    assert 'Traceback' not in ''.join(lines)
