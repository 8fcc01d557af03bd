"""What counting needs to know of a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasvit_mm.cost.primitives import Tally

Fields = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FamilyCost:
    """The closed forms of a family, over arrays of architectures.

    Args:
        tally: ``tally(fields, height, width, *, out_indices, attention, num_classes, out_width)``
            -> part of the network -> :class:`Tally` of (n,) arrays, in order.  ``fields`` is what
            ``Space.columns`` gives, ``height`` and ``width`` (n,) are of the input in pixels,
            ``out_indices`` None asks for the classifier, ``out_width`` has a width per tap.
        output_widths: ``output_widths(fields, out_indices)`` -> channels of the backbone's outputs
            before any tap, (n, outputs).
        num_outputs: how many outputs a backbone can have.
        min_size: smallest workable side of the input in pixels.
        out_indices: outputs of a backbone where none are asked for.
        authors_macs: ``authors_macs(fields, height, width, num_classes)`` -> part -> (n,): the
            formula of the released code, where it differs; None without one.
        options: further keyword arguments of ``tally``, for backbones.
    """

    tally: Callable[..., dict[str, Tally]]
    output_widths: Callable[[Fields, tuple[int, ...]], np.ndarray]
    num_outputs: int
    min_size: int
    out_indices: tuple[int, ...] = (0, 1, 2, 3)
    authors_macs: Callable[..., dict[str, Any]] | None = None
    options: tuple[str, ...] = ()
