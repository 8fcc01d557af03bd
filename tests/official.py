"""Official weights by rule, where tensors of numbers alone do not make them."""

from __future__ import annotations

import numpy as np
import torch

from tests.conftest import Golden


def true_index(grid: int) -> torch.Tensor:
    y, x = np.divmod(np.arange(grid**2), grid)
    index = (y[:, None] - y + grid - 1) * (2 * grid - 1) + x[:, None] - x + grid - 1
    return torch.from_numpy(index)


def elasticvit_official(golden: Golden, drifted: bool = False) -> dict[str, torch.Tensor]:
    """The authors' state dict, with index buffers as made, or as their EMA leaves them."""
    state = golden.state('elasticvit_supernet.json')
    moved = golden.json('ema_index_drift.json')['decremented_values']
    for key in state:
        if key.endswith('relative_position_index'):
            grid = round(len(state[key]) ** 0.5)
            index = true_index(grid)
            if drifted:
                index -= torch.isin(index, torch.tensor(moved[str((2 * grid - 1) ** 2)])).long()
            state[key] = index
    return state
