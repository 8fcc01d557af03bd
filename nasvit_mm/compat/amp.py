"""Mixed precision without a GPU: a clear error before the run, not an assertion deep inside it."""

from __future__ import annotations


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
