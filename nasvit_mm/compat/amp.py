"""Mixed precision: which type a device computes in, and a clear error where there is no GPU."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AMPERE = 8  # compute capability of NVIDIA's first cards with bfloat16


def half_type(device: torch.device | str) -> torch.dtype:
    """Return the type that a device's mixed precision computes in.

    It is bfloat16 on a GPU or CPU that has it, float16 on any other GPU, else float32.  In float16
    nine of ten gradients of a new NASViT's queries are zero: its layer scales start at 1e-4.
    """
    import torch

    kind = torch.device(device).type
    if kind != 'cuda':
        return torch.bfloat16 if kind == 'cpu' and has_bf16() else torch.float32
    if torch.version.hip:
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # By the card itself: torch says yes of older ones too, where it emulates.
    major, _ = torch.cuda.get_device_capability(device)
    return torch.bfloat16 if major >= AMPERE else torch.float16


@cache
def has_bf16() -> bool:
    """Return whether the CPU computes in bfloat16 (Linux; False where it cannot be told)."""
    path = Path('/proc/cpuinfo')
    flags = path.read_text() if path.exists() else ''
    return 'avx512_bf16' in flags or 'amx_bf16' in flags


def check_amp() -> None:
    """Check that mmengine's AmpOptimWrapper can work here; call it when ``--amp`` was given.

    Raises:
        RuntimeError: there is no accelerator, which AmpOptimWrapper needs.
    """
    from mmengine.device import get_device

    device = get_device()
    if device in ('cpu', 'mps'):
        raise RuntimeError(
            f'--amp needs a GPU, and the device of this machine is {device!r}: leave --amp out '
            '(`python -m nasvit_mm.doctor` says whether torch sees a GPU)'
        )
