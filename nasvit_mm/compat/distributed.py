"""Starting the process group, also on machines without a GPU.

mmengine's ``init_dist`` calls ``torch.cuda.set_device`` whatever the backend, so it fails on a CPU.
Its Runner starts no group if one exists; hence the tools call ``init_distributed`` first.
"""

from __future__ import annotations

import os
import subprocess

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')

# The variables in which each launcher gives rank, number of processes, and rank on this machine.
_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': ('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'),
}


def init_distributed(launcher: str, backend: str | None = None) -> None:
    """Start the default process group; do nothing for 'none' or if a group exists.

    Args:
        launcher: 'none', 'pytorch' (torchrun), 'slurm' or 'mpi', as in mmseg's tools.
        backend: torch.distributed's backend.  None: nccl with a GPU, gloo without.  Without a GPU
            'nccl' also means gloo, because every stock config names nccl.

    Raises:
        ValueError: the launcher is not one of these.
        RuntimeError: a variable that the launcher should have set is missing.
    """
    if launcher not in LAUNCHERS:
        raise ValueError(f'launcher={launcher!r}; allowed: {", ".join(map(repr, LAUNCHERS))}')
    if launcher == 'none':
        return

    import torch.distributed as dist
    from mmengine.device import get_device

    if dist.is_initialized():
        return
    _check_variables(launcher)
    if get_device() not in ('cpu', 'mps'):
        from mmengine.dist import init_dist

        init_dist(launcher, backend=backend or 'nccl')
        return
    _export_variables(launcher)
    dist.init_process_group('gloo' if backend in (None, 'nccl') else backend)


def _check_variables(launcher: str) -> None:
    missing = [name for name in _VARIABLES[launcher] if name not in os.environ]
    if missing:
        starter = {'pytorch': 'torchrun', 'slurm': 'srun', 'mpi': 'mpirun'}[launcher]
        raise RuntimeError(
            f'launcher={launcher!r}, but {", ".join(missing)} not set in the environment: start '
            f'the command with {starter}, or give --launcher none'
        )


def _export_variables(launcher: str) -> None:
    """Set torch's variables from those of a launcher other than torchrun."""
    for ours, theirs in zip(_VARIABLES['pytorch'], _VARIABLES[launcher], strict=True):
        os.environ[ours] = os.environ[theirs]
    os.environ.setdefault('MASTER_PORT', '29500')  # mmengine's and torch's default
    if 'MASTER_ADDR' not in os.environ:
        os.environ['MASTER_ADDR'] = _first_host(launcher)


def _first_host(launcher: str) -> str:
    if launcher != 'slurm':
        raise RuntimeError(
            f'launcher={launcher!r}, but MASTER_ADDR is not set in the environment: export the '
            'name of the machine of rank 0'
        )
    nodes = os.environ['SLURM_NODELIST']
    command = ['scontrol', 'show', 'hostnames', nodes]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
