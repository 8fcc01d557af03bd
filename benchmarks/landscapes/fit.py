"""Fit an analytic landscape to the archive of a search, for benchmarks/surrogate.py.

    python benchmarks/landscapes/fit.py NAME 'what was searched, and by what' work_dirs/found ...

Of several archives, which have to be of one space, the candidates are put together.  The supernets
of elasticvit_cifar10.py and vitas_twins_cifar10.py here are those of configs/supernet with
train_cfg.max_iters=1000, that of surrogate_cifar with 3000.

The first objective that was measured (a minimised one with the other sign, so that more is better)
as a function of genes, scaled to 0 to 1: linear, squared and pairwise terms, by ridge regression,
whose strength is chosen by leaving one candidate out.  The coefficients are written to NAME.json
beside this script, with what share of the metric's variance they explain of candidates that were
left out (ten parts), the standard deviation that they leave as its noise, and its range, beyond
which nothing is known of it.  They are another family of functions than any predictor of the
search.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nasvit_mm import get_space
from nasvit_mm.search import Search

HERE = Path(__file__).resolve().parent
DIGITS = 5


def terms(x: np.ndarray) -> np.ndarray:
    """Return x and all products of two of its columns, (n, d) -> (n, d + d (d + 1) / 2)."""
    first, second = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, first] * x[:, second]], 1)


def scaled(space, genes: np.ndarray) -> np.ndarray:
    return genes / np.maximum([len(c) - 1 for c in space.choices], 1)


def measured(found: Search) -> tuple[dict, list[dict]]:
    """Return the first objective that an evaluator measured, and the records that have it."""
    records = [r for r in found.records if 'failed' not in r and 'stopped' not in r]
    for objective in found.identity['objectives']:
        having = [r for r in records if objective['metric'] in r['metrics']]
        if having:
            return objective, having
    raise SystemExit(f'error: {found.folder}: no candidate was measured there')


def landscape(path: Path) -> tuple[dict, Callable[[np.ndarray], np.ndarray]]:
    """Return what main() wrote to a file, and the metric of genes that it describes."""
    found = json.loads(path.read_text())
    if 'range' not in found:
        raise SystemExit(f'error: {path} is of an earlier fit.py and has no range: fit it again')
    space, weights = get_space(found['space']), np.array(found['weights'])

    def metric(genes: np.ndarray) -> np.ndarray:
        fitted = terms(scaled(space, genes)[:, found['genes']]) @ weights
        return np.clip(found['intercept'] + fitted, *found['range'])

    return found, metric


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name')
    parser.add_argument('source', help='a sentence that says what was measured')
    parser.add_argument('folders', nargs='+', help="searches' work dirs")
    args = parser.parse_args()
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import cross_val_score

    searches = [Search.load(folder) for folder in args.folders]
    found = searches[0]
    if any(s.identity['space'] != found.identity['space'] for s in searches):
        raise SystemExit('error: the archives are of several spaces')
    space = get_space(found.identity['space'])
    objective = measured(found)[0]
    different = {json.dumps(r['arch']): r for s in searches for r in measured(s)[1]}
    records = list(different.values())
    x = scaled(space, np.stack([space.genes(space.arch(r['arch'])) for r in records]))
    y = np.array([r['metrics'][objective['metric']] for r in records])
    y *= 1 if objective['goal'] == 'max' else -1
    moving = np.ptp(x, 0) > 0  # genes with one choice, or that the task does not have
    ridge = RidgeCV(np.geomspace(1e-3, 1e3, 19))
    explained = cross_val_score(ridge, terms(x[:, moving]), y, cv=10, scoring='r2').mean()
    ridge.fit(terms(x[:, moving]), y)
    out = dict(
        source=args.source,
        space=found.identity['space'],
        metric=objective['metric'],
        candidates=len(records),
        explained=round(float(explained), 3),
        noise=round(float(np.std(y - ridge.predict(terms(x[:, moving])))), 4),
        range=[round(float(v), DIGITS) for v in (y.min(), y.max())],
        genes=np.flatnonzero(moving).tolist(),
        intercept=round(float(ridge.intercept_), DIGITS),
        weights=[round(float(w), DIGITS) for w in ridge.coef_],
    )
    (HERE / f'{args.name}.json').write_text(json.dumps(out) + '\n')
    share = f'{100 * explained:.0f} % of the variance explained'
    print(f'{out["metric"]} of {len(records)} candidates: {share}')


if __name__ == '__main__':
    main()
