"""Process groups and mixed precision on a machine without a GPU."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmengine')

import torch  # noqa: E402

import nasvit_mm  # noqa: E402
from nasvit_mm.compat import check_amp, init_distributed  # noqa: E402
from tests.commands import two_processes  # noqa: E402

NO_GPU = not torch.cuda.is_available()

SCRIPT = """
import sys
from nasvit_mm.compat import init_distributed

init_distributed(sys.argv[1], backend=sys.argv[2] or None)
init_distributed(sys.argv[1])  # a second call does nothing

import torch
import torch.distributed as dist
from mmengine.dist import all_gather_object, get_dist_info

rank, size = get_dist_info()  # mmengine takes the group for its own
x = torch.full((2,), float(rank + 1))
if dist.get_backend() == 'gloo':
    dist.all_reduce(x)
    assert x.tolist() == [3.0, 3.0], x
gathered = all_gather_object({'rank': rank})
assert gathered == [{'rank': 0}, {'rank': 1}], gathered
if rank == 0:
    print('backend', dist.get_backend(), 'size', size)
dist.destroy_process_group()
"""


ROOT = str(Path(nasvit_mm.__file__).resolve().parents[1])


def environment(**changes: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get('PYTHONPATH')]))
    common = {'CUDA_VISIBLE_DEVICES': '', 'OMP_NUM_THREADS': '1', 'PYTHONPATH': path}
    return {**os.environ, **common, **changes}


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def script(tmp_path):
    path = tmp_path / 'script.py'
    path.write_text(SCRIPT)
    return str(path)


@pytest.mark.timeout(180)
@pytest.mark.parametrize('backend', ['', 'nccl'])  # nccl is what every stock config names
def test_two_processes_of_torchrun(script, backend):
    done = two_processes(script, 'pytorch', backend)
    assert done.returncode == 0, done.stderr
    assert 'backend gloo size 2' in done.stdout


@pytest.mark.timeout(180)
def test_two_processes_of_slurm(script, tmp_path):
    """srun's variables, and a scontrol that knows one node."""
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\ntest "$*" = "show hostnames node[1-2]" && echo localhost\n')
    scontrol.chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    port = free_port()
    workers = [
        subprocess.Popen(
            [sys.executable, script, 'slurm', ''],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                PATH=path,
                MASTER_PORT=port,
                SLURM_PROCID=str(rank),
                SLURM_NTASKS='2',
                SLURM_LOCALID=str(rank),
                SLURM_NODELIST='node[1-2]',
            ),
        )
        for rank in range(2)
    ]
    outputs = [worker.communicate(timeout=150) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert 'backend gloo size 2' in outputs[0][0]


@pytest.mark.skipif(not Path('/proc/net/tcp6').exists(), reason='Linux says who listens')
def test_the_store_listens_everywhere():
    """As SECURITY.md says: on all interfaces, whatever address it is given."""
    store = torch.distributed.TCPStore('127.0.0.1', 0, is_master=True)
    lines = [line.split() for name in ('tcp', 'tcp6') for line in open(f'/proc/net/{name}')]
    listening = [line[1] for line in lines if line[3] == '0A']
    (where,) = [w for w in listening if int(w.partition(':')[2], 16) == store.port]
    assert not int(where.partition(':')[0], 16)


def test_none_starts_nothing():
    init_distributed('none')
    assert not torch.distributed.is_initialized()


def test_an_unknown_launcher_is_named():
    with pytest.raises(ValueError, match="launcher='ray'; allowed: 'none', 'pytorch'"):
        init_distributed('ray')


@pytest.mark.parametrize(
    'launcher, variable, starter',
    [
        ('pytorch', 'WORLD_SIZE', 'torchrun'),
        ('slurm', 'SLURM_NTASKS', 'srun'),
        ('mpi', 'OMPI_COMM_WORLD_SIZE', 'mpirun'),
    ],
)
def test_a_launcher_that_did_not_launch_is_named(monkeypatch, launcher, variable, starter):
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RuntimeError, match=f'{variable}.* not set.*{starter}'):
        init_distributed(launcher)


@pytest.mark.skipif(not NO_GPU, reason='needs a machine without a GPU')
def test_amp_without_a_gpu_is_a_clear_error():
    with pytest.raises(RuntimeError, match=r"--amp needs a GPU.*'cpu'"):
        check_amp()


def test_amp_with_a_gpu_passes(monkeypatch):
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
    check_amp()
