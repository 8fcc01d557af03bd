"""A stand-in for mmcv's compiled operations, on torchvision's kernels.

`pip install onedl-mmcv` and `pip install mmcv-lite` give an mmcv without `mmcv._ext`, and then
`import mmdet.models` fails, though one-stage and Mask R-CNN detectors need few of its operations.
A finder at the END of `sys.meta_path` serves that module where nothing else does, so compiled
operations win by construction. Supplied, on CPU and GPU:

    nms                          torchvision.ops.nms, mmcv's offset handled
    roi_align_forward/_backward  torchvision.ops.roi_align, average pooling
    sigmoid_focal_loss_*         torchvision.ops.sigmoid_focal_loss (mmdet calls it on a GPU only)

Every other name resolves, for mmcv asks for all of them at import, and raises `MissingOpError`
when called.
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
    """An operation of mmcv was called that is neither compiled nor supplied here."""


def install() -> None:
    """Append the finder to `sys.meta_path`, once; call it before mmseg or mmdet is imported.

    Later is too late in part: they guard some imports of mmcv.ops and remember the failure.
    Loads neither torch nor mmcv.
    """
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())


def is_stand_in(module: ModuleType) -> bool:
    """Return whether an imported `mmcv._ext` is the stand-in rather than the compiled one."""
    return isinstance(getattr(module, '__loader__', None), StandInFinder)


def build_command() -> str:
    """Return the shell command that compiles the operations of the installed mmcv distribution."""
    from nasvit_mm.compat.tested import pinned

    openmmlab = _installed('mmcv-lite') or _installed('mmcv')
    name = 'mmcv' if openmmlab else 'onedl-mmcv'
    # --no-build-isolation: the build compiles only where it can import torch, and then finds its
    # tools here too. --no-cache-dir: pip would take the wheel that it built without operations.
    return (
        ('pip uninstall -y mmcv-lite; ' if openmmlab else '')
        + 'pip install "setuptools>=80,<82" wheel ninja && MMCV_WITH_OPS=1 pip install '
        f'--no-build-isolation --no-cache-dir --no-deps --force-reinstall --no-binary {name} '
        + ('"mmcv<2.2"' if openmmlab else pinned(name))  # mmseg 1.2.2 refuses mmcv 2.2
    )


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes `mmcv._ext`; asked only when every finder before it has found nothing."""

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
        # Names with an underscore belong to Python's import system, which must see them missing.
        if name.startswith('_'):
            raise AttributeError(f'module {NAME!r} has no attribute {name!r}')

        def missing(*args: Any, **kwargs: Any) -> NoReturn:
            raise MissingOpError(_explain(name))

        missing.__name__ = name
        return missing


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (n, 4), corners x1, y1, x2, y2.
        scores: (n,).
        iou_threshold: a box goes when its overlap with a better one is greater.
        offset: 0, or 1 where x2 and y2 are the last pixel inside the box.

    Returns:
        (kept,) int64, indices into `boxes`, best score first.
    """
    import torch
    from torchvision.ops import nms as torchvision_nms

    if offset:
        # Lengths are x2 - x1 + offset, of boxes and of intersections alike, so moving the far
        # corners is exact.
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # Equal scores, of which a new detector has many, in the order that mmcv takes them in: that of
    # a sort that is not stable. torchvision's is, and so meets them by their places.
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
    """Region-of-interest align, written into `output`.

    Args:
        input: (N, C, H, W).
        rois: (n, 5), picture index, x1, y1, x2, y2.
        output: (n, C, aligned_height, aligned_width), overwritten.
        argmax_y, argmax_x: unused by average pooling.
        pool_mode: 1 for average; 0, maximum, is not supplied.

    Raises:
        MissingOpError: `pool_mode` is 0.
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
    """Gradient of `roi_align_forward` to its input, written into `grad_input` (N, C, H, W).

    Raises:
        MissingOpError: `pool_mode` is 0, maximum.
    """
    import torch
    import torchvision  # noqa: F401 (registers torch.ops.torchvision)

    _only_average(pool_mode)
    grad_output = _at_least_float32(grad_output)
    # The kernel of torchvision's own autograd; through its public function each backward would
    # cost one more forward.
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
    """Focal loss of independent classes, written into `output` (n, C), not reduced.

    Args:
        input: (n, C) logits.
        target: (n,) int64, class index; C or anything outside 0..C-1 is background.
        weight: empty; weights of classes are not supplied.

    Raises:
        MissingOpError: `weight` is not empty.
    """
    output.copy_(_focal_loss(input, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Gradient of the sum of `sigmoid_focal_loss_forward`, written into `grad_input` (n, C)."""
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
    one_hot = (target[:, None] == classes).to(input.dtype)  # background: a row of zeros
    return sigmoid_focal_loss(input, one_hot, alpha, gamma)


def _at_least_float32(x: Tensor) -> Tensor:
    """Mixed precision hands over half and bfloat16, for which torchvision has not every kernel."""
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
