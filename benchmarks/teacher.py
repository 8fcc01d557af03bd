"""A teacher's pass on a CPU, in float32 and in bfloat16.

    OMP_NUM_THREADS=1 python benchmarks/teacher.py --threads 1

EfficientNet-Lite0 of ranking/teacher.py and four networks of mmsegmentation's configs, from random
weights; two images of 128 x 160, eight for EfficientNet-Lite0.  Both precisions are timed in turn.
On a CPU without bfloat16 the latter says what its emulation would cost.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import mmseg
import torch
from _timing import medians, parser
from mmengine.config import Config

from nasvit_mm import compat  # noqa: F401
from nasvit_mm.dense import build_model
from nasvit_mm.teacher import Teacher

PEERS = Path(mmseg.__file__).parent / '.mim/configs'
OWN = Path(__file__).parent / 'ranking/teacher.py'
CONFIGS = {  # and images
    OWN: 8,
    PEERS / 'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py': 2,
    PEERS / 'swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py': 2,
    PEERS / 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py': 2,
    PEERS / 'twins/twins_svt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512.py': 2,
}
PRECISIONS = ('fp32', 'bf16')


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    print('| teacher | ' + ' | '.join(f'{name} ms' for name in PRECISIONS) + ' | fp32 / bf16 |')
    print('|---|' + '---|' * (len(PRECISIONS) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for path, number in CONFIGS.items():
            calls = ways(path, number, Path(folder))
            found = {name: 1e3 * s for name, s in medians(calls, args.rounds).items()}
            times = ' | '.join(f'{ms:.0f}' for ms in found.values())
            print(f'| {path.stem} | {times} | {found["fp32"] / found["bf16"]:.2f} |', flush=True)


def ways(path: Path, number: int, folder: Path) -> dict[str, Any]:
    """Return a call for each precision: the teacher's pass as a step has it."""
    cfg = Config.fromfile(path)
    student = build_model(cfg)
    weights = folder / f'{path.stem}.pth'
    torch.save(student.state_dict(), weights)
    images = torch.randn(number, 3, 128, 160)
    found = {
        name: Teacher(student, config=cfg.to_dict(), checkpoint=weights, precision=name)
        for name in PRECISIONS
    }
    return {name: lambda taught=taught: taught(images) for name, taught in found.items()}


if __name__ == '__main__':
    main()
