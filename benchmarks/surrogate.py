"""How many evaluations a predictor saves: hypervolume by evaluations, NSGA-II and `surrogate`.

    python benchmarks/surrogate.py [LANDSCAPE ...] [--seeds 5] [--noise 0.1]

Landscapes 0 to 2 are made up, not measured: a metric over NASViT's genes with diminishing gains,
pairs of genes that go together or against one another, and noise of a tenth of a point.  Those with
a name are fitted to archives of real searches (benchmarks/landscapes), and have the noise that the
fit left.  MACs are exact.  What counts is the hypervolume of the metric without noise, as a share
of that of NSGA-II after 1,000 evaluations.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from landscapes import fit

from nasvit_mm import get_space
from nasvit_mm.search import Problem, build_algorithm

Metric = Callable[[np.ndarray], np.ndarray]
LANDSCAPES, EVALUATIONS, FEWER = 3, 1000, (100, 150, 250)
BASELINE = dict(type='nsga2', population=64, generations=16)
PREDICTORS = ('gp', 'boosting', 'mlp')


def landscape(space, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return a made-up metric of genes, 10 to 50."""
    rng, top = np.random.default_rng(seed), np.maximum([len(c) - 1 for c in space.choices], 1)
    weight = rng.gamma(1, 1, len(top)) * (rng.random(len(top)) < 0.7)
    pairs, together = rng.integers(0, len(top), (40, 2)), rng.normal(0, 0.35, 40)

    def metric(genes: np.ndarray) -> np.ndarray:
        x = genes / top
        gain = (weight * (np.sqrt(x) - 0.4 * x**2)).sum(1)
        gain += (together * x[:, pairs[:, 0]] * x[:, pairs[:, 1]]).sum(1)
        return 30 + 20 * np.tanh(2 * gain / weight.sum())

    return metric


class Tried(NamedTuple):
    """A landscape that searches are tried on."""

    name: str
    problem: Problem
    metric: Metric
    noise: float  # of an evaluation, a standard deviation


def made_up(noise: float) -> Iterator[Tried]:
    space = get_space(dict(space='nasvit', restrict=dict(resolution=[64])))
    problem = Problem(space, ['metric', 'macs'])
    for number in range(LANDSCAPES):
        yield Tried(str(number), problem, landscape(space, number), noise)


def measured() -> Iterator[Tried]:
    """Yield the landscapes that benchmarks/landscapes/fit.py made of archives."""
    for path in sorted(fit.HERE.glob('*.json')):
        found, metric = fit.landscape(path)
        problem = Problem(get_space(found['space']), ['metric', 'macs'])
        name = f'{path.stem} ({100 * found["explained"]:.0f} % explained)'
        yield Tried(name, problem, metric, found['noise'])


def run(on: Tried, options: dict, seed: int, n: int) -> np.ndarray:
    """Return metric and cost of the first n candidates of an algorithm, (n, 2), to be minimised."""
    algorithm, rng = build_algorithm(options, on.problem, seed), np.random.default_rng(seed)
    found = []
    while sum(map(len, found)) < n and len(genes := algorithm.ask()):
        truth, macs = on.metric(genes), on.problem.costs(genes)['macs'] / 1e8
        algorithm.tell(genes, np.stack([-truth - rng.normal(0, on.noise, len(genes)), macs], 1))
        found.append(np.stack([-truth, macs], 1))
    return np.concatenate(found)[:n]


def main() -> None:
    from pymoo.indicators.hv import HV

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('landscapes', nargs='*', help='0, 1, 2 and those fitted (all)')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--noise', type=float, default=0.1, help='of the landscapes made up')
    args = parser.parse_args()
    there = {on.name.partition(' ')[0]: on for on in (*made_up(args.noise), *measured())}
    if unknown := set(args.landscapes) - set(there):
        parser.error(
            f'unknown landscape {", ".join(sorted(unknown))}; there are {", ".join(there)}'
        )
    columns = [('nsga2', n) for n in (FEWER[-1], EVALUATIONS)]
    columns += [(name, n) for name in PREDICTORS for n in FEWER]
    print('| landscape | ' + ' | '.join(f'{name}, {n}' for name, n in columns) + ' |')
    print('|---|' + '---|' * len(columns), flush=True)
    for on in (there[name] for name in args.landscapes or there):
        shares = {column: [] for column in columns}
        genes = on.problem.space.sample_genes(0, 4000)
        worst = np.stack([-on.metric(genes), on.problem.costs(genes)['macs'] / 1e8], 1).max(0)
        volume = HV(ref_point=worst)
        for seed in range(args.seeds):
            whole = run(on, BASELINE, seed, EVALUATIONS)
            full = volume(whole)
            for _, n in columns[:2]:
                shares['nsga2', n].append(100 * volume(whole[:n]) / full)
            for name in PREDICTORS:
                options = dict(type='surrogate', predictor=name, population=48, batch=16)
                found = run(on, dict(options, generations=99), seed, FEWER[-1])
                for n in FEWER:
                    shares[name, n].append(100 * volume(found[:n]) / full)
        cells = (
            f'{mean(v):.1f} ± {stdev(v):.1f}' if args.seeds > 1 else f'{v[0]:.1f}'
            for v in shares.values()
        )
        print(f'| {on.name} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    main()
