"""What counting needs to know about a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasvit_mm.cost.primitives import Tally

Fields = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FamilyCost:
    """The closed-form costs of a family, over arrays of architectures.

    Args:
        tally: ``tally(fields, height, width, *, out_indices, attention, num_classes, out_width,
            in_channels=3)`` maps each part of the network, in order, to a :class:`Tally` of (n,)
            arrays.  ``fields`` comes from ``Space.columns``; ``height`` and ``width``, both (n,),
            give the input in pixels; ``out_indices=None`` asks for the classifier; ``out_width``
            has one width per tap.
        output_widths: ``output_widths(fields, out_indices)`` returns the channels of the backbone's
            outputs before any tap, (n, outputs).
        num_outputs: number of outputs that a backbone can have.
        min_size: smallest workable side of the input in pixels.
        out_indices: default outputs of a backbone.
        authors_macs: ``authors_macs(fields, height, width, num_classes)`` maps each part to (n,)
            MACs by the formula of the released code; None if there is no such formula.
        options: further keyword arguments of ``tally``, for backbones.
    """

    tally: Callable[..., dict[str, Tally]]
    output_widths: Callable[[Fields, tuple[int, ...]], np.ndarray]
    num_outputs: int
    min_size: int
    out_indices: tuple[int, ...] = (0, 1, 2, 3)
    authors_macs: Callable[..., dict[str, Any]] | None = None
    options: tuple[str, ...] = ()
