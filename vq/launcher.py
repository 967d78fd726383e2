"""auto_torchrun: start a command on all devices of this machine, or of an allocation.

It works out what torchrun has to be told and becomes torchrun. Nothing heavy is
imported: torch starts once, in the ranks.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile

USAGE = """\
usage: auto_torchrun [TORCHRUN OPTIONS] -m MODULE ARGS...
       auto_torchrun [TORCHRUN OPTIONS] SCRIPT.py ARGS...

Run a command in one process a device, as torchrun does.

    auto_torchrun -m vq.train vqgan/8192_imagenet_ddp configs/vqgan/8192_imagenet_ddp.py
    nproc_per_node=2 auto_torchrun -m vq.val NAME CONFIG
    auto_torchrun --nnodes 2 --node-rank 0 --master-addr HOST -m vq.train NAME CONFIG
    srun --ntasks-per-node=1 auto_torchrun -m vq.train NAME CONFIG

How many processes: `nproc_per_node` from the environment, else the devices that
CUDA_VISIBLE_DEVICES lists, else all GPUs, else one process on the CPU (so too with
DEVICE=cpu). The port comes from the system. In a SLURM allocation of several nodes
their number, this node's rank and the first host are read from SLURM's variables.
Options of torchrun (see `torchrun --help`) are passed on and win over all of this.
"""

FLAGS = {  # the options of torchrun that take no value
    'm',
    'module',
    'no-python',
    'print-completion',
    'run-path',
    'standalone',
    'virtual-local-rank',
}
SLURM_PORT = 20000  # lowest port of a SLURM job, below those the system hands out
SLURM_PORTS = 10000


class LaunchError(ValueError):
    """What was asked for cannot be started; the message says why."""


def processes(env: Mapping[str, str], gpus: int) -> int:
    """Return how many processes this machine should run.

    Args:
        env: The environment.
        gpus: GPUs of the machine.

    Raises:
        LaunchError: `nproc_per_node` is no positive number.
    """
    if 'nproc_per_node' in env:
        return _positive(env['nproc_per_node'], 'nproc_per_node')
    if env.get('DEVICE', 'cuda') != 'cuda':
        return 1
    if 'CUDA_VISIBLE_DEVICES' in env:
        names = env['CUDA_VISIBLE_DEVICES'].split(',')
        # CUDA ignores all devices from the first invalid one on; -1 is the usual one.
        valid = takewhile(lambda name: name.strip() not in ('', '-1'), names)
        gpus = len(list(valid))
    return max(1, gpus)


def first_host(nodes: str) -> str:
    """Return the first name of a SLURM node list: 'gpu[03-05,9],cpu1' -> 'gpu03'."""
    match = re.match(r'(?:[^,\[]|\[[^\]]*\])+', nodes.strip())
    if match is None:
        raise LaunchError(f'SLURM node list {nodes!r} names no host')
    return re.sub(r'\[([^\],-]*)[^\]]*\]', r'\1', match[0])


def command(
    argv: Sequence[str], env: Mapping[str, str], *, gpus: int, port: int
) -> list[str]:
    """Return the command that starts the ranks.

    Args:
        argv: What the user typed: options of torchrun, then what to run.
        env: The environment.
        gpus: GPUs of the machine.
        port: A free port.

    Raises:
        LaunchError: A value is wrong, or something is missing.
    """
    options = torchrun_options(argv)
    words = [sys.executable, '-m', 'torch.distributed.run']
    if 'nproc-per-node' not in options:
        words += ['--nproc-per-node', str(processes(env, gpus))]
    return [*words, *_rendezvous(options, env, port), *argv]


def torchrun_options(argv: Sequence[str]) -> dict[str, str]:
    """Return the options before the script or module, spelled with dashes.

    Raises:
        LaunchError: There is nothing to run.
    """
    options: dict[str, str] = {}
    words = iter(argv)
    for word in words:
        if not word.startswith('-'):
            return options
        name, equals, value = word.lstrip('-').partition('=')
        name = name.replace('_', '-')
        if not equals and name not in FLAGS:
            value = next(words, '')
        options[name] = value
    raise LaunchError('there is nothing to run: give -m MODULE or SCRIPT.py')


def _rendezvous(
    options: Mapping[str, str], env: Mapping[str, str], port: int
) -> list[str]:
    """Return the options that bring the ranks together, where the user gave none."""
    if 'standalone' in options or any(name.startswith('rdzv-') for name in options):
        return []
    nodes = options.get('nnodes', '1').rpartition(':')[2]
    if _positive(nodes, '--nnodes') > 1 and 'master-addr' not in options:
        raise LaunchError('--nnodes needs --master-addr or --rdzv-endpoint')
    if options.keys() & {'nnodes', 'node-rank', 'master-addr'}:
        # All nodes must agree on a port, so the system of one cannot choose it.
        return [] if int(nodes) > 1 or 'master-port' in options else _port(port)
    slurm_nodes = env.get('SLURM_STEP_NUM_NODES') or env.get('SLURM_NNODES') or '1'
    if _positive(slurm_nodes, 'SLURM_NNODES') > 1:
        return _slurm(slurm_nodes, env)
    return [] if 'master-port' in options else _port(port)


def _port(port: int) -> list[str]:
    return ['--master-port', str(port)]


def _slurm(nodes: str, env: Mapping[str, str]) -> list[str]:
    way_out = 'start it with: srun --ntasks-per-node=1 auto_torchrun ...'
    if 'SLURM_NODEID' not in env:
        raise LaunchError(f'{nodes} nodes, but this is no task of SLURM; {way_out}')
    if env.get('SLURM_LOCALID', '0') != '0':
        raise LaunchError(f'this is not the first task of its node; {way_out}')
    job = _positive(env.get('SLURM_JOB_ID', ''), 'SLURM_JOB_ID')
    hosts = env.get('SLURM_STEP_NODELIST') or env.get('SLURM_JOB_NODELIST', '')
    return [
        '--nnodes',
        nodes,
        '--node-rank',
        env['SLURM_NODEID'],
        '--master-addr',
        first_host(hosts),
        '--master-port',
        str(SLURM_PORT + job % SLURM_PORTS),
    ]


def _positive(text: str, name: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise LaunchError(f'{name} must be a whole number >= 1, got {text!r}')
    return int(text)


def threads(words: Sequence[str], *, cores: int) -> int:
    """Return the threads of each process: an equal share of the cores, at least one.

    Args:
        words: The command that starts the ranks.
        cores: Cores that this process may use.
    """
    count = torchrun_options(words[3:]).get('nproc-per-node', '')
    return max(1, cores // int(count)) if count.isdecimal() and int(count) else 1


def count_gpus() -> int:
    """Count the GPUs of this machine; 0 where the driver's tool is missing or fails."""
    tool = shutil.which('nvidia-smi')
    if tool is None:
        return 0
    listing = subprocess.run([tool, '-L'], capture_output=True, text=True, check=False)
    return sum(line.startswith('GPU ') for line in listing.stdout.splitlines())


def count_cores() -> int:
    """Count the cores that this process may use; a scheduler may have bound it."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_port() -> int:
    """Return a port that the system says is free."""
    with socket.socket() as server:
        server.bind(('', 0))
        port: int = server.getsockname()[1]
    return port


def main() -> None:
    """Become torchrun; `auto_torchrun --help` says more."""
    argv = sys.argv[1:]
    if argv[:1] in (['-h'], ['--help']):
        print(USAGE, end='')
        return
    try:
        words = command(argv, os.environ, gpus=count_gpus(), port=free_port())
    except LaunchError as error:
        sys.exit(f'auto_torchrun: error: {error}\nauto_torchrun --help says more.')
    # Without it torchrun sets 1 and warns, in every run.
    os.environ.setdefault('OMP_NUM_THREADS', str(threads(words, cores=count_cores())))
    print('+', shlex.join(words), file=sys.stderr, flush=True)
    os.execv(words[0], words)


if __name__ == '__main__':
    main()
