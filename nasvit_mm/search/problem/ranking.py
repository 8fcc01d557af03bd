"""An order of candidates by several objectives."""

from __future__ import annotations

import numpy as np


def ranked(scores: np.ndarray) -> np.ndarray:
    """Return the places of candidates, the best first: by fronts, and of each front the least
    crowded first, so that the first ones span it.

    Args:
        scores: objectives to be minimised, (n, objectives).

    Returns:
        (n,), int.
    """
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    out = [np.zeros(0, np.int64)]
    for front in NonDominatedSorting().do(scores) if len(scores) else ():
        front = np.sort(front)
        out.append(front[np.argsort(-calc_crowding_distance(scores[front]), kind='stable')])
    return np.concatenate(out)
