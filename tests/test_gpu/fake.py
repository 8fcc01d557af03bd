"""A GPU that is not there: fake CUDA tensors, and a meter of what a real one would be asked to do.

torch's FakeTensorMode computes shapes, dtypes and devices only.  It raises where CPU and CUDA
tensors meet, and where dtypes do, as the kernels would.  A second mode above it answers what a fake
tensor cannot say (``.item()``, ``bool()``, ``.tolist()``), and counts it: on a GPU the host stalls.
"""

from __future__ import annotations

import contextlib
import ctypes
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import mmengine.optim.optimizer.amp_optimizer_wrapper as amp_optimizer_wrapper
import mmengine.runner.amp as runner_amp
import torch
import torch.optim.optimizer as torch_optimizer
import torch.utils._foreach_utils as foreach_utils
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import DefaultDeviceType

GPU = 'cuda'
TORCH = '2.11'  # whose table of virtual functions is known
AMP = {'fp32': None, 'fp16': torch.float16, 'bf16': torch.bfloat16}

# Views, sizes and allocations launch nothing.
FREE = frozenset(
    'view _unsafe_view reshape _reshape_alias expand permute transpose t slice select narrow '
    'unsqueeze squeeze detach alias split split_with_sizes unsafe_split unbind as_strided chunk '
    'unsafe_chunk empty empty_strided empty_like new_empty new_empty_strided unfold lift_fresh '
    'size stride is_same_size sym_size diagonal movedim result_type device set_ resize_ '
    'record_stream is_pinned _local_scalar_dense'.split()
)
# Those met here of which torch's CUDA has no deterministic kernel; fake ones do not tell.
NOT_DETERMINISTIC = frozenset(
    'upsample_bicubic2d_backward upsample_bilinear2d_backward _adaptive_avg_pool2d_backward histc '
    'adaptive_max_pool2d_backward _roi_align_backward grid_sampler_2d_backward'.split()
)
OURS = ('/nasvit_mm/', '/mmengine/', '/mmseg/', '/mmdet/', '/timm/', '/torch/optim/', '/torch/amp/')


class Meter(TorchDispatchMode):
    """Counts launches by operation, and stalls by kind and place.

    Attributes:
        launches: operations on CUDA tensors that are no views.
        stalls: how often the host would wait for the GPU: ``'read'`` (a number of it),
            ``'to GPU'``, ``'to CPU'`` (copies that are not asked to be asynchronous), ``'shape'``
            (a result whose size depends on values); with the line of code that does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.stalls: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        self.launches.clear()
        self.stalls.clear()

    def count(self, *kinds: str) -> int:
        return sum(n for (kind, _), n in self.stalls.items() if kind in kinds)

    def stall(self, kind: str) -> None:
        frames = traceback.extract_stack()[:-2]
        ours = [f for f in frames if any(part in f.filename for part in OURS)] or frames
        place = f'{ours[-1].filename.rpartition("site-packages/")[2]}:{ours[-1].lineno}'
        self.stalls[kind, place] += 1

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._overloadpacket.__name__
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_gpu = any(t.device.type == GPU for t in tensors)
        if name == '_local_scalar_dense':
            if on_gpu:
                self.stall('read')
            return _value(args[0].dtype)
        if on_gpu:
            if name in NOT_DETERMINISTIC and torch.are_deterministic_algorithms_enabled():
                if not torch.is_deterministic_algorithms_warn_only_enabled():
                    raise RuntimeError(
                        f'{name} does not have a deterministic implementation, but you set '
                        "'torch.use_deterministic_algorithms(True)'"
                    )
            masks = _masks(args[1]) if name in ('index', 'index_put_', 'index_put') else []
            if masks or name in ('nonzero', 'masked_select', '_unique2', 'unique_dim'):
                self.stall('shape')
            if name == 'nonzero':  # as if of two entries
                return args[0].new_zeros((2, args[0].ndim), dtype=torch.long)
            if name == '_unique2':  # as if all were different
                flat = args[0].flatten()
                return flat.clone(), torch.zeros_like(args[0], dtype=torch.long), flat.long()
            if name == 'index' and masks:  # as if all of it were true
                (place,) = (i for i, t in enumerate(args[1]) if t is masks[0])
                return args[0].flatten(place, place + masks[0].ndim - 1).clone()
        if name in ('_to_copy', 'copy_') and not kwargs.get('non_blocking', args[2:3] == (True,)):
            source = args[1] if name == 'copy_' else args[0]
            target = args[0].device if name == 'copy_' else kwargs.get('device') or source.device
            if {source.device.type, torch.device(target).type} == {'cpu', GPU}:
                self.stall('to CPU' if source.device.type == GPU else 'to GPU')
        out = func(*args, **kwargs)
        if on_gpu or any(
            t.device.type == GPU for t in tree_leaves(out) if isinstance(t, torch.Tensor)
        ):
            if name not in FREE:
                self.launches[name] += _launches(name, args)
        return out


def _launches(name: str, args: tuple) -> int:
    """Return 1, and of a list of tensors with another list of other shapes one for each."""
    lists = [a for a in args if isinstance(a, (list, tuple)) and all(map(torch.is_tensor, a))]
    if name.startswith('_foreach') and len(lists) > 1:
        if any(a.shape != b.shape for a, b in zip(*lists[:2])):
            return len(lists[0])
    return 1


def _value(kind: torch.dtype) -> bool | int | float:
    return True if kind is torch.bool else 1.0 if kind.is_floating_point else 1


def _apply(module: nn.Module, convert: Callable, recurse: bool = True) -> nn.Module:
    """Convert a module (``to``, ``half``): torch's own swaps tensors, which fake ones refuse."""
    for part in module.modules():
        for name, p in part._parameters.items():
            if p is not None:
                with torch.no_grad():
                    part._parameters[name] = nn.Parameter(convert(p), p.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = convert(buffer)
    return module


def _masks(indices: Any) -> list[torch.Tensor]:
    found = [t for t in indices if isinstance(t, torch.Tensor)]
    return [t for t in found if t.dtype in (torch.bool, torch.uint8)]


@contextlib.contextmanager
def fake_gpu() -> Iterator[Meter]:
    """Make and use CUDA tensors without a GPU; restore all that this takes."""
    meter = Meter()

    def tolist(tensor: FakeTensor) -> Any:
        if tensor.device.type == GPU:
            meter.stall('read')
        # Integers: the first rule in a ViTAS backbone's buffer of rules.
        out = -1 if tensor.dtype is torch.long else _value(tensor.dtype)
        for n in reversed(tensor.shape):
            out = [out] * n
        return out

    fused = [
        *torch_optimizer._foreach_supported_types,
        *foreach_utils._foreach_supported_types,
        FakeTensor,
    ]
    patches = [
        mock.patch.object(FakeTensor, 'tolist', tolist),
        mock.patch.object(FakeTensor, 'is_cuda', property(lambda t: t.device.type == GPU)),
        mock.patch.object(nn.Module, '_apply', _apply),
        # A copy of a buffer would copy the mode, and free its weak references twice.
        mock.patch.object(FakeTensorMode, '__deepcopy__', lambda mode, memo: mode, create=True),
        # Mixed precision switches itself off without a GPU.
        mock.patch('torch.cuda.amp.common.amp_definitely_not_available', lambda: False),
        mock.patch.object(amp_optimizer_wrapper, 'is_cuda_available', lambda: True),
        mock.patch.object(runner_amp, 'get_device', lambda: GPU),
        # A checkpoint keeps the autocast of the accelerator where it sees no tensor.
        mock.patch.object(DefaultDeviceType, '_default_device_type', GPU),
        mock.patch.object(torch.cuda, 'is_bf16_supported', lambda *args, **kwargs: True),
        mock.patch.object(torch.cuda, 'get_device_capability', lambda *args: (9, 0)),
        # Optimizers and limits take their quick way, as with real tensors.
        mock.patch.object(torch_optimizer, '_foreach_supported_types', fused),
        mock.patch.object(foreach_utils, '_foreach_supported_types', fused),
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        stack.enter_context(_without_context())
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(meter)


@contextlib.contextmanager
def _without_context() -> Iterator[None]:
    """Have torch's engine run the backward of fake CUDA tensors.

    It asks ``CUDAHooks::hasPrimaryContext``, which raises without a GPU.  Entry 4 of that object's
    table of virtual functions (after two destructors) is replaced by one that says no.
    """
    library = ctypes.CDLL(str(Path(torch.__file__).parent / 'lib' / 'libtorch_cpu.so'))
    hooks = library._ZN2at6detail12getCUDAHooksEv
    hooks.restype = ctypes.c_void_p
    pointer = ctypes.cast(hooks(), ctypes.POINTER(ctypes.c_void_p))
    before, word = pointer[0], ctypes.sizeof(ctypes.c_void_p)
    old = ctypes.cast(before - 2 * word, ctypes.POINTER(ctypes.c_void_p))
    table = (ctypes.c_void_p * 66)(*old[:66])
    no = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_int8)(lambda hooks, index: False)
    table[2 + 4] = ctypes.cast(no, ctypes.c_void_p).value
    pointer[0] = ctypes.addressof(table) + 2 * word
    try:
        yield
    finally:
        pointer[0] = before


def autocast(precision: str) -> contextlib.AbstractContextManager:
    kind = AMP[precision]
    return torch.autocast(GPU, kind) if kind else contextlib.nullcontext()


def check_gradients(module: nn.Module) -> None:
    """Check that gradients are where the parameters are, and of their type; there are some."""
    given = {n: (p, p.grad) for n, p in module.named_parameters() if p.grad is not None}
    assert given
    for name, (p, grad) in given.items():
        assert grad.device == p.device and p.device.type == GPU, f'{name} on {p.device}'
        assert grad.dtype == p.dtype, f'{name} is {p.dtype}, its gradient {grad.dtype}'
