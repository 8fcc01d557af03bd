"""What the search itself takes: a cost-only search from the command line, and its share of a real
evaluation.

    python benchmarks/search.py

The evaluation is the demo's: NASViT subnets out of a supernet, untrained, for weights do not change
its time; batch norms recalibrated on 8 batches of 16, and 408 images judged, at 48 pixels.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from _timing import parser
from mmengine.config import Config

from nasvit_mm import get_space
from nasvit_mm.demo_data import write_patches
from nasvit_mm.registry import MODELS, SUBNET_EVALUATORS
from nasvit_mm.search import Archive, InProcess, Problem, SubnetEvaluator, build_algorithm, search

ROOT = Path(__file__).resolve().parents[1]
COSTS = """
space = 'nasvit'
task = '{root}/configs/seg/nasvit_ade20k.py'
input_size = (512, 512)
objectives = [dict(metric='params', goal='max'), 'macs']
constraints = [dict(metric='macs', high=5e9)]
algorithm = dict(type='nsga2', population=512, generations=20)
"""


@SUBNET_EVALUATORS.register_module()
class Instant(SubnetEvaluator):
    """A figure for nothing: what is left is the search."""

    def __call__(self, arch):
        return {'accuracy/top1': float(sum(arch.width))}


class Timed(InProcess):
    """Adds up what evaluations take."""

    seconds = 0.0

    def run(self, specs, archs):
        results = super().run(specs, archs)
        while True:
            start = time.perf_counter()
            try:
                result = next(results)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - start
            yield result


def main() -> None:
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'costs.py')
        path.write_text(COSTS.format(root=ROOT))
        start = time.perf_counter()
        subprocess.run(
            [
                'taskset',
                '-c',
                '0',
                sys.executable,
                ROOT / 'tools/search.py',
                path,
                '--work-dir',
                Path(folder, 'costs'),
            ],
            check=True,
            cwd=ROOT,
            capture_output=True,
        )
        print(
            '20 generations of 512 candidates by costs alone, one core, process start and report '
            f'included: {time.perf_counter() - start:.1f} s (limit 20)'
        )
        real(Path(folder))


def real(folder: Path) -> None:
    """The share of the search in evaluations by a supernet."""
    space = get_space('nasvit').restrict(resolution=[48])
    write_patches(folder / 'images', progress=False)
    config = ROOT / 'configs/demo/nasvit_supernet.py'
    cfg = Config.fromfile(config)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), folder / 'supernet.pth')
    problem = Problem(space, ['accuracy/top1', 'macs'], [dict(metric='macs', high=40e6)])
    evaluators = {
        'nothing': dict(type='Instant'),
        'a supernet': dict(
            type='SupernetEvaluator',
            config=str(config),
            num_calibration=8,
            checkpoint=str(folder / 'supernet.pth'),
            cfg_options={
                f'{s}_dataloader.dataset.data_root': str(folder / 'images')
                for s in ('train', 'val')
            },
        ),
    }
    for name, evaluator in evaluators.items():
        algorithm = build_algorithm(dict(type='nsga2', population=8, generations=3), problem, 0)
        where, start = Timed(), time.perf_counter()
        records = search(problem, algorithm, Archive.open(folder / name, {}), evaluator, where)
        whole = time.perf_counter() - start
        rest = whole - where.seconds
        print(
            f'{len(records)} evaluations by {name}: {whole:.2f} s, of which the search '
            f'{1e3 * rest / len(records):.2f} ms a candidate, {rest / whole:.2%}'
        )


if __name__ == '__main__':
    main()
