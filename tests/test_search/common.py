"""What the tests of the search share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nasvit_mm.cost import count
from nasvit_mm.search import Algorithm, Archive, EvaluatorSpec, Problem, build_algorithm, search
from nasvit_mm.spaces import Space
from tests.families import small

# A segmentation config of every kind of space.
TASKS = {
    'nasvit': 'nasvit_ade20k',
    'elasticvit': 'elasticvit_ade20k',
    'vitas_twins': 'vitas_ade20k',
    'vitas_deit_small': 'vitas_deit_ade20k',
}
TOY = dict(type='Toy')
TOY_MODULE = 'tests.test_search.toy'
OBJECTIVES = [dict(metric='score'), dict(metric='macs')]


def budget(space: Space) -> tuple[float, float]:
    """The middle of what random architectures cost."""
    costs = sorted(count(space, space.sample(0, 200)).macs)
    return float(costs[60]), float(costs[140])


@cache
def problem(space: str = 'nasvit') -> Problem:
    low, high = budget(small(space))
    return Problem(small(space), OBJECTIVES, [dict(metric='macs', low=low, high=high)])


def algorithm(of: Problem, name: str = 'nsga2', seed: int = 0, **options) -> Algorithm:
    sizes = dict(population=12, generations=3)
    if name in ('nasvit', 'elasticvit'):
        sizes.update(mutations=6, crossovers=6)
    if name == 'surrogate':
        sizes.update(batch=12, inner_population=40, inner_generations=4)
    return build_algorithm(dict(sizes, type=name, **options), of, seed)


def run(
    folder: Path,
    name: str = 'nsga2',
    resume: bool = False,
    evaluator: dict | EvaluatorSpec | None = None,
    backend=None,
    identity: dict | None = None,
    archive: Archive | None = None,
    **options,
) -> list[dict]:
    of = problem()
    archive = archive or Archive.open(folder, identity or dict(search=name), resume)
    if not isinstance(evaluator, EvaluatorSpec):
        evaluator = spec(evaluator or TOY)
    return search(of, algorithm(of, name, **options), archive, evaluator, backend)


def spec(evaluator: dict = TOY, content: dict | None = None) -> EvaluatorSpec:
    """An evaluator of the problem, which fresh processes can build too."""
    return EvaluatorSpec.read(evaluator, problem().space, [TOY_MODULE], content)
