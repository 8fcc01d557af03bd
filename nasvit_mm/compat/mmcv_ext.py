"""A stand-in for mmcv's compiled operations, on torchvision's kernels.

``pip install onedl-mmcv`` and ``pip install mmcv-lite`` give an mmcv without ``mmcv._ext``, and
then ``import mmdet.models`` fails, though one-stage and Mask R-CNN detectors need few of its
operations.  A finder at the END of ``sys.meta_path`` serves that module if no other finder does, so
that compiled operations always take precedence.  These operations are supplied, on CPU and GPU:

    nms                          torchvision.ops.nms, mmcv's offset handled
    roi_align_forward/_backward  torchvision.ops.roi_align, average pooling
    sigmoid_focal_loss_*         torchvision.ops.sigmoid_focal_loss (mmdet calls it on a GPU only)

Every other name resolves, because mmcv looks all of them up at import, and raises
``MissingOpError`` when called.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from torch import Tensor

NAME = 'mmcv._ext'


class MissingOpError(NotImplementedError):
    """Raised when a mmcv operation is called that is neither compiled nor supplied here."""


def install() -> None:
    """Append the finder to ``sys.meta_path``, once; call it before mmseg or mmdet is imported.

    A later call has only part of its effect: mmseg and mmdet guard some imports of mmcv.ops and
    remember the failure.  The call loads neither torch nor mmcv.
    """
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())


def is_stand_in(module: ModuleType) -> bool:
    """Return whether an imported ``mmcv._ext`` is the stand-in rather than the compiled module."""
    return isinstance(getattr(module, '__loader__', None), StandInFinder)


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


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and creates ``mmcv._ext``; it is asked only after every other finder has failed."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != NAME:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin='nasvit_mm.compat.mmcv_ext')

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name, __doc__)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update({function.__name__: function for function in _SUPPLIED})


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        # Names with an underscore belong to Python's import system, which must find them missing.
        if name.startswith('_'):
            raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise MissingOpError(_explain(name))

        missing.__name__ = name
        return missing


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Apply greedy non-maximum suppression.

    Args:
        boxes: (n, 4), corners x1, y1, x2, y2.
        scores: (n,).
        iou_threshold: a box is dropped if its overlap with a better one is greater.
        offset: 0, or 1 if x2 and y2 are the last pixel inside the box.

    Returns:
        (kept,) int64, indices into ``boxes``, best score first.
    """
    import torch
    from torchvision.ops import nms as torchvision_nms

    if offset:
        # Lengths of boxes and of intersections are both x2 - x1 + offset, so moving the far corners
        # is exact.
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # mmcv orders equal scores, of which an untrained detector has many, by an unstable sort;
    # torchvision's sort is stable.  So sort as mmcv does and hand torchvision the ranks as scores.
    order = scores.sort(descending=True).indices
    ranks = torch.arange(len(order), 0, -1, device=boxes.device, dtype=boxes.dtype)
    return order[torchvision_nms(boxes[order], ranks, iou_threshold)]


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the region-of-interest align into ``output``.

    Args:
        input: (N, C, H, W).
        rois: (n, 5): image index, x1, y1, x2, y2.
        output: (n, C, aligned_height, aligned_width), overwritten.
        argmax_y, argmax_x: unused by average pooling.
        pool_mode: 1 for average; 0, maximum, is not supplied.

    Raises:
        MissingOpError: ``pool_mode`` is 0.
    """
    from torchvision.ops import roi_align

    _only_average(pool_mode)
    input = _at_least_float32(input)
    output.copy_(
        roi_align(
            input,
            rois.to(input.dtype),
            (aligned_height, aligned_width),
            spatial_scale,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient of ``roi_align_forward``'s input into ``grad_input`` (N, C, H, W).

    Raises:
        MissingOpError: ``pool_mode`` is 0, maximum.
    """
    import torch
    import torchvision  # noqa: F401 (registers torch.ops.torchvision)

    _only_average(pool_mode)
    grad_output = _at_least_float32(grad_output)
    # This is the kernel behind torchvision's own autograd; with its public function each backward
    # would cost one more forward.
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois.to(grad_output.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the focal loss of independent classes into ``output`` (n, C), not reduced.

    Args:
        input: (n, C) logits.
        target: (n,) int64, class index; C or anything outside 0..C-1 is background.
        weight: must be empty; class weights are not supplied.

    Raises:
        MissingOpError: ``weight`` is not empty.
    """
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient of the summed focal loss into ``grad_input`` (n, C)."""
    import torch

    with torch.enable_grad():
        input = input.detach().requires_grad_()
        loss = _focal_loss(input, target, weight, gamma, alpha)
        grad_input.copy_(torch.autograd.grad(loss.sum(), input)[0])


def get_compiler_version() -> str:
    """Answer mmcv's report of its environment, which every training run prints."""
    return 'none: nasvit_mm stand-in on torchvision'


def get_compiling_cuda_version() -> str:
    """Answer mmcv's report of its environment, which every training run prints."""
    return 'not available'


_SUPPLIED = (
    nms,
    roi_align_forward,
    roi_align_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
    get_compiler_version,
    get_compiling_cuda_version,
)


def _focal_loss(
    input: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    import torch
    from torchvision.ops import sigmoid_focal_loss

    if weight.numel():
        raise MissingOpError(_explain('sigmoid_focal_loss with class weights'))
    input = _at_least_float32(input)
    classes = torch.arange(input.shape[1], device=input.device)
    one_hot = (target[:, None] == classes).to(input.dtype)  # a background row is all zeros
    return sigmoid_focal_loss(input, one_hot, alpha, gamma)


def _at_least_float32(x: Tensor) -> Tensor:
    """Convert half and bfloat16 to float32, as torchvision lacks some kernels for them."""
    return x.float() if x.element_size() < 4 else x


def _only_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise MissingOpError(_explain("roi_align with pool_mode='max'"))


def _explain(operation: str) -> str:
    return (
        f'mmcv.ops needs the compiled operation {operation!r}: this mmcv was installed without '
        'compiled operations, and nasvit_mm supplies only '
        'nms, roi_align (average) and sigmoid_focal_loss. To compile them (a C++ compiler, some '
        f'20 minutes):\n    {build_command()}'
    )


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
