"""What makes the evaluation of a candidate cheaper, and what that costs of the order.

    python benchmarks/evaluation.py configs/search/nasvit_camvid_miou.py --number 24
    python benchmarks/evaluation.py CONFIG --options evaluator.checkpoint=work_dirs/x/iter_2000.pth

Random feasible candidates are measured in full, and then by fewer batches for their batch norms,
on a share of the images, and in bfloat16: seconds of a candidate, and Kendall's tau of the task's
metric to the full measurement.  Prints a table, and writes docs/evaluation.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from _runs import ROOT
from mmengine.config import Config, DictAction
from rich.progress import track
from scipy.stats import kendalltau

from nasvit_mm.search import SupernetEvaluator, build_evaluator, read_search

JSON = ROOT / 'docs/evaluation.json'
BATCHES = (1, 2, 4, 8)
SHARES = (0.125, 0.25, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of a search by a supernet')
    parser.add_argument('--number', type=int, default=24, help='of candidates')
    parser.add_argument('--options', nargs='+', action=DictAction, default={})
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.options)
    plan = read_search(cfg, args.config)
    (spec,), problem = plan.evaluators, plan.problem
    goal = problem.needed_metrics[0]
    archs = problem.archs(problem.sample(np.random.default_rng(0), args.number))
    ways = dict(ways_of(dict(spec.options, type=spec.type), problem))
    found = {name: measured(way, archs, goal, name) for name, way in ways.items()}
    full = found['in full']
    rows = {
        name: dict(
            seconds=float(np.median(each['seconds'])),
            tau=float(kendalltau(each['metric'], full['metric']).statistic),
            away=float(np.mean(np.abs(np.subtract(each['metric'], full['metric'])))),
        )
        for name, each in found.items()
    }
    print(f'| a candidate of {args.config} | seconds | tau of {goal} | away on average |')
    print('|---|---|---|---|')
    for name, row in rows.items():
        print(f'| {name} | {row["seconds"]:.2f} | {row["tau"]:.3f} | {row["away"]:.2f} |')
    JSON.write_text(
        json.dumps(dict(config=args.config, number=args.number, metric=goal, rows=rows), indent=1)
        + '\n'
    )


def ways_of(options: Mapping[str, Any], problem: Any):
    """Yield (name, function of an architecture) of every way to measure it."""
    evaluator: SupernetEvaluator = build_evaluator(options, problem.space)
    full = evaluator.num_calibration
    evaluator(problem.space.smallest)  # reads the images
    yield 'in full', evaluator
    for number in BATCHES:
        if number < full:
            fewer = build_evaluator(dict(options, num_calibration=number), problem.space)
            fewer(problem.space.smallest)
            yield f'{number} of {full} batches for batch norms', fewer
    for share in SHARES:
        yield (
            f'{share:g} of the images',
            lambda arch, share=share: forgetful(evaluator, arch, share),
        )
    yield 'bfloat16', lambda arch: autocast(evaluator, arch)


def forgetful(evaluator: SupernetEvaluator, share: float, arch: Any) -> dict[str, float]:
    """Look at a share of the images, with a calibration of its own."""
    evaluator._looked_at.clear()
    try:
        return evaluator.look(arch, share)
    finally:
        evaluator._looked_at.clear()


def autocast(evaluator: SupernetEvaluator, arch: Any) -> dict[str, float]:
    device = next(evaluator.model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16):
        return evaluator(arch)


def measured(way: Callable, archs: Any, goal: str, name: str) -> dict[str, list[float]]:
    seconds, values = [], []
    for arch in track(archs, name):
        began = time.perf_counter()
        values.append(way(arch)[goal])
        seconds.append(time.perf_counter() - began)
    return dict(seconds=seconds, metric=values)


if __name__ == '__main__':
    main()
