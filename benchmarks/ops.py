"""Time mmcv's operations without a compiler, beside the same as loops over numbers.

    python benchmarks/ops.py

The first table repeats the cases of tests/test_compat/test_ops.py, forward only, because loops
cannot do larger ones; the second is a step, forward and backward, of common sizes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from nasvit_mm.compat import is_stand_in
from tests.test_compat.test_ops import CASES


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """Return the CPU time of the shortest of some runs, after a first one."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - start))
    return min(times)


def step(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        leaves = [x.detach().requires_grad_() for x in inputs]
        function(*leaves).sum().backward()

    return run


def common_sizes() -> dict[str, Callable[[], Any]]:
    import mmcv.ops as ops
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction as Attention
    from mmcv.ops.psa_mask import psa_mask

    maps, weight = torch.rand(1, 256, 64, 64), torch.rand(256, 256, 3, 3)
    offset, mask = torch.rand(1, 18, 64, 64), torch.rand(1, 9, 64, 64)
    shapes = torch.tensor([[64, 64], [32, 32], [16, 16]])
    starts = torch.tensor([0, 4096, 5120])
    value, places = torch.rand(1, 5376, 8, 32), torch.rand(1, 900, 8, 3, 4, 2)
    boxes = 400 * torch.rand(2000, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = torch.rand(2000)
    dets = torch.cat([boxes, scores[:, None]], 1)
    return {
        'deform_conv, 256 channels, 64 x 64': step(
            lambda x, o, w: ops.deform_conv2d(x, o, w, 1, 1), maps, offset, weight
        ),
        'modulated_deform_conv, the same': step(
            lambda x, o, m, w: ops.modulated_deform_conv2d(x, o, m, w, None, 1, 1),
            *(maps, offset, mask, weight),
        ),
        'ms_deform_attn, 900 queries, 3 levels': step(
            lambda v, p, a: Attention.apply(v, shapes, starts, p, a, 64),
            *(value, places, torch.rand(1, 900, 8, 3, 4)),
        ),
        'carafe, 256 channels, 64 x 64 to 128 x 128': step(
            lambda x, m: ops.carafe(x, m, 5, 1, 2), maps, torch.rand(1, 25, 128, 128)
        ),
        'psamask, 97 x 97 places, 64 x 64': step(
            lambda x: psa_mask(x, 0, (97, 97)), torch.rand(1, 97 * 97, 64, 64)
        ),
        'soft_nms, 2000 boxes': lambda: ops.soft_nms(boxes, scores),
        'nms_match, 2000 boxes': lambda: ops.nms_match(dets, 0.5),
    }


def main() -> None:
    import mmcv._ext as ext

    torch.set_num_threads(1)
    print('nasvit_mm' if is_stand_in(ext) else 'compiled mmcv', 'on one thread')
    print(f'\n{"operation":<45}{"loops":>10}{"this":>10}  ms')
    for name, case in CASES.items():
        arrays = [x.numpy() for x in case.inputs]
        loops = milliseconds(lambda: case.loops(*arrays), 1)  # noqa: B023 (called at once)
        ours = milliseconds(lambda: case.run(*case.inputs), 20)  # noqa: B023
        print(f'{name:<45}{loops:10.1f}{ours:10.2f}')
    print(f'\n{"step, forward and backward":<55}{"this":>10}  ms')
    for name, call in common_sizes().items():
        print(f'{name:<55}{milliseconds(call, 2):10.0f}')


if __name__ == '__main__':
    main()
