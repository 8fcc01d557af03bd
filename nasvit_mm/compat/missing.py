"""Operations of mmcv that are neither compiled nor supplied: the error, and what would help."""

from __future__ import annotations

from importlib import metadata

from nasvit_mm.errors import UsageError

# What mmcv has kernels of for a CPU: beginnings of names (mmcv/ops/csrc/pytorch/cpu, and two files
# that need no device).
_CPU_KERNELS = (
    'active_rotated_filter',
    'bbox_overlaps',
    'bezier_align',
    'box_iou_',
    'contour_expand',
    'deform_conv',
    'dynamic_voxelize',
    'get_indice_pairs',
    'hard_voxelize',
    'indice_',
    'modulated_deform_conv',
    'nms',
    'pixel_group',
    'points_in_boxes_cpu',
    'psamask',
    'roi_align',
    'rotated_feature_align',
    'softnms',
)
# Off the GPU mmcv, mmdet and mmseg have Python forms of these, and do not call them.
_NEVER_ON_CPU = ('ms_deform_attn', 'sigmoid_focal_loss')


class MissingOpError(UsageError, NotImplementedError):
    """Raised when a mmcv operation is called that is neither compiled nor supplied here."""


def has_cpu_kernel(operation: str) -> bool:
    """Return whether compiled mmcv runs an operation on a CPU, or does without it there."""
    return operation.startswith((*_CPU_KERNELS, *_NEVER_ON_CPU))


def what_helps(operation: str, device: str) -> str:
    """Return what to do about a missing operation: compile it, or where that does not help, why.

    Args:
        operation: its name in ``mmcv._ext``.
        device: the type of the device that it is to run on.
    """
    if device == 'cpu' and not has_cpu_kernel(operation):
        return (
            'mmcv has no kernel of it for a CPU, so compiling does not help: run on a GPU, with '
            f'compiled operations ({build_command()}), or choose a model without it'
        )
    return f'compile it (a C++ compiler, some 20 minutes): {build_command()}'


def build_command() -> str:
    """Return the shell command that compiles the operations of the installed mmcv distribution."""
    from nasvit_mm.compat.tested import pinned

    openmmlab = _installed('mmcv-lite') or _installed('mmcv')
    name = 'mmcv' if openmmlab else 'onedl-mmcv'
    # --no-build-isolation: the build compiles operations only if it can import torch, and then
    # finds its tools here.  --no-cache-dir: pip would reuse the wheel built without operations.
    return (
        ('pip uninstall -y mmcv-lite; ' if openmmlab else '')
        + 'pip install "setuptools>=80,<82" wheel ninja && MMCV_WITH_OPS=1 pip install '
        f'--no-build-isolation --no-cache-dir --no-deps --force-reinstall --no-binary {name} '
        + ('"mmcv<2.2"' if openmmlab else pinned(name))  # mmseg 1.2.2 refuses mmcv 2.2
    )


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
