"""Windows and the position table, against plain loops."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import interpolate

from nasvit_mm.nn import RelativePositionBias, Span, join_windows, split_windows, window_mask
from nasvit_mm.spaces.geometry import window_side


@pytest.mark.parametrize(
    ('tokens', 'largest', 'side'),
    [
        (18, 18, 18),
        (19, 18, 10),
        (32, 18, 16),
        (64, 18, 16),
        (50, 18, 17),
        (84, 18, 17),
        (1, 18, 1),
    ],
)
def test_window_side(tokens, largest, side):
    assert window_side(tokens, largest) == side


@pytest.mark.parametrize(('grid', 'side'), [((6, 8), (3, 4)), ((5, 7), (3, 4)), ((4, 4), (4, 4))])
def test_split_and_join(grid, side):
    x = torch.arange(2 * grid[0] * grid[1] * 3.0).view(2, -1, 3)
    windows = split_windows(x, grid, side)
    assert torch.equal(join_windows(windows, grid, side), x)
    rows, cols = -(-grid[0] // side[0]), -(-grid[1] // side[1])
    image = x.view(2, *grid, 3)
    mask = window_mask(grid, side, x.device)
    for b in range(2):
        for r in range(rows):
            for c in range(cols):
                for i in range(side[0]):
                    for j in range(side[1]):
                        y, z = r * side[0] + i, c * side[1] + j
                        window, token = (b * rows + r) * cols + c, i * side[1] + j
                        real = y < grid[0] and z < grid[1]
                        expected = image[b, y, z] if real else torch.zeros(3)
                        assert torch.equal(windows[window, token], expected)
                        if mask is not None:
                            assert bool(mask[r * cols + c, token]) is not real


@pytest.mark.parametrize('grid', [(3, 4), (4, 4), (6, 3), (5, 9)])
def test_position_bias(grid):
    module = RelativePositionBias(4, 5)
    out = module(grid, Span(0, 3, 5))
    table = module.weight[:, :3].t().reshape(1, 3, 7, 7)
    sides = [max(4, n) for n in grid]
    if max(sides) > 4:
        table = interpolate(table, [2 * n - 1 for n in sides], mode='bicubic')
    points = [(y, x) for y in range(grid[0]) for x in range(grid[1])]
    for i, (y1, x1) in enumerate(points):
        for j, (y2, x2) in enumerate(points):
            expected = table[0, :, y1 - y2 + sides[0] - 1, x1 - x2 + sides[1] - 1]
            assert torch.equal(out[:, i, j], expected)
