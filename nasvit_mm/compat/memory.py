"""What the C library does with memory that tensors gave back."""

from __future__ import annotations

import ctypes
import os

# Of malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD.
MAPPED, TRIMMED = -4, -1


def keep_freed_memory() -> bool:
    """Have glibc keep memory that was freed, for the next tensors.

    By default it returns every tensor of more than 32 MiB to the system, which hands out the next
    one in pages of zeros: on a CPU a tenth of a training step, a twentieth of a candidate's
    evaluation.  The process keeps about as much memory as it needed at most.

    Returns:
        Whether it does; not where there is another C library, or where the environment has settings
        of its own (``MALLOC_...``, ``GLIBC_TUNABLES``).
    """
    if any(name.startswith('MALLOC_') or name == 'GLIBC_TUNABLES' for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # macOS, Windows
        return False
    return bool(mallopt(MAPPED, 0) and mallopt(TRIMMED, -1))
