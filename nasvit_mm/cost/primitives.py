"""MACs and parameters of the layers that the families share.

A MAC is one multiply-accumulate operation: a multiplication and the addition of its product.

All functions take ints or integer arrays and return ``Tally(macs, params)``; tallies add up and
scale.  Convolutions, linear layers and matrix products are counted; norms, activations, pooling,
softmax and additions are not (the convention of the papers and of torch's FlopCounterMode, which
prints twice the MACs).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nasvit_mm.spaces.geometry import window_side


class Tally(NamedTuple):
    """MACs and parameters, ints or arrays."""

    macs: Any = 0
    params: Any = 0

    def __add__(self, other: Any) -> Tally:
        return Tally(self.macs + other.macs, self.params + other.params)

    def __mul__(self, times: Any) -> Tally:
        return Tally(self.macs * times, self.params * times)

    __rmul__ = __mul__


def conv(cin: Any, cout: Any, pixels: Any, kernel: Any = 1, bias: bool = False) -> Tally:
    """Count a full convolution with ``pixels`` output positions."""
    weights = cin * cout * kernel * kernel
    return Tally(weights * pixels, weights + bias * cout)


def depthwise(width: Any, pixels: Any, kernel: Any, bias: bool = False) -> Tally:
    """Count a depthwise convolution with ``pixels`` output positions (if transposed, input)."""
    weights = width * kernel * kernel
    return Tally(weights * pixels, weights + bias * width)


def linear(cin: Any, cout: Any, tokens: Any) -> Tally:
    """Count a linear layer with bias over ``tokens`` vectors."""
    return conv(cin, cout, tokens, bias=True)


def norm(width: Any) -> Tally:
    """Count the scale and shift of a norm."""
    return Tally(0, 2 * width)


def mlp(width: Any, hidden: Any, tokens: Any) -> Tally:
    """Count two linear layers with bias, and the norm before them."""
    return linear(width, hidden, tokens) + linear(hidden, width, tokens) + norm(width)


def squeeze_excite(width: Any, squeezed: Any) -> Tally:
    return conv(width, squeezed, 1, bias=True) + conv(squeezed, width, 1, bias=True)


def tap(width: Any, out_width: int, pixels: Any) -> Tally:
    """Count a LayerNorm over channels and a 1x1 convolution with bias."""
    return norm(width) + conv(width, out_width, pixels, bias=True)


def window_pairs(grid: tuple[Any, Any], largest: int, attention: str) -> Any:
    """Return the number of query-key pairs on a grid of tokens, window padding included.

    Args:
        grid: (height, width) in tokens.
        largest: side of the largest window.
        attention: ``'global'``, or another mode: windows on a grid larger than ``largest``.
    """
    if attention == 'global':
        return (grid[0] * grid[1]) ** 2
    side = tuple(window_side(n, largest) for n in grid)
    return num_windows(grid, side) * (side[0] * side[1]) ** 2


def num_windows(grid: tuple[Any, Any], side: tuple[Any, Any]) -> Any:
    """Return the number of windows of ``side`` that cover a grid, both (height, width)."""
    return -(-grid[0] // side[0]) * -(-grid[1] // side[1])
