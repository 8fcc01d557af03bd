"""``count``: the cost of one or thousands of architectures at an input size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nasvit_mm.errors import check_number, unknown
from nasvit_mm.family import FAMILIES
from nasvit_mm.spaces import RESOLUTION, SCALE, TAPS, Space, get_space, is_many
from nasvit_mm.spaces.geometry import ATTENTION_MODES, WHOLE, scaled

PARTS = ('classifier', 'backbone')
COUNTERS = ('true', 'authors')


@dataclass(frozen=True)
class Cost:
    """Cost of one architecture (ints) or of many (int64 arrays of shape (n,)).

    Attributes:
        macs: multiply-accumulate operations for one image: what a paper calls FLOPs, half of what
            torch's counter prints.
        params: parameters of the sliced network.
        breakdown: maps each part to its MACs, in order; they add up to ``macs``.
        breakdown_params: maps each part to its parameters.
        input_size: (height, width) that was counted; arrays if it varies.
    """

    macs: int | np.ndarray
    params: int | np.ndarray
    breakdown: dict[str, int | np.ndarray]
    breakdown_params: dict[str, int | np.ndarray]
    input_size: tuple[int | np.ndarray, int | np.ndarray]

    def __str__(self) -> str:
        if isinstance(self.macs, np.ndarray):
            return f'costs of {len(self.macs)} architectures'
        return (
            f'{self.macs / 1e9:.3f} GMACs at {self.input_size[0]} x {self.input_size[1]}, '
            f'{self.params / 1e6:.2f} M parameters'
        )


def count(
    space: str | Mapping | Space,
    archs: Any,
    input_size: int | tuple[int, int] | None = None,
    part: str = 'classifier',
    out_indices: Sequence[int] | None = None,
    attention: str = 'auto',
    num_classes: int = 1000,
    out_width: int | Sequence[int] | None = None,
    input_scale: int = WHOLE,
    counter: str = 'true',
    in_channels: int = 3,
    **options: Any,
) -> Cost:
    """Count MACs and parameters, equal to a trace of the built module to the last unit.

    Args:
        space: name, ``to_dict()`` form or Space.
        archs: one architecture in any form that ``Space.arch`` takes; a list of them; a gene
            vector (array of shape (genes,)) or a gene matrix (n, genes).
        input_size: side or (height, width) in pixels at which the network computes;
            None: each architecture's own resolution.
        part: ``'classifier'`` with its head, or ``'backbone'`` up to its last output.
        out_indices: outputs of the backbone; None: its default.
        attention: ``'auto'``, ``'global'`` or ``'window'``, the backbone's option.
        num_classes: number of classes of the classifier.
        out_width: widths of the backbone's taps, one for all or one per output; where the space has
            the gene ``taps``, each architecture's own.
        input_scale: percent of the input size at which a backbone computes; where the space has the
            gene ``scale``, each architecture's own.
        counter: ``'true'``, or ``'authors'``: the formula of the family's released code, which its
            papers' MACs follow (for classifiers only; parameters are always the true ones).
        in_channels: channels of the image.
        options: options of the family's backbones, e.g. ``stage_norm`` of ``vitas_twins``.

    Returns:
        A :class:`Cost` of ints for one architecture, or of arrays for a list or matrix.  Genes of
        the task are no part of a classifier.

    Raises:
        ValueError: an argument is not allowed, or the input is below the smallest workable size.
    """
    space = get_space(space)
    family = FAMILIES[space.name].part('cost')
    if part not in PARTS:
        raise ValueError(unknown('part', part, PARTS))
    if attention not in ATTENTION_MODES:
        raise ValueError(unknown('attention', attention, ATTENTION_MODES))
    genes, many = _genes(space, archs)
    fields = space.columns(genes)
    resolution = space.role(RESOLUTION)
    height, width = _sizes(
        input_size, len(genes), resolution and fields[resolution.name], family.min_size
    )
    indices = None
    if part == 'backbone':
        indices = tuple(family.out_indices if out_indices is None else out_indices)
        allowed = range(family.num_outputs)
        if list(indices) != sorted(set(indices)) or not indices or not set(indices) <= {*allowed}:
            raise ValueError(
                f'out_indices = {out_indices!r}, expected ascending indices out of 0..{allowed[-1]}'
            )
        if isinstance(out_width, int):
            out_width = [out_width] * len(indices)
        if out_width is not None and len(out_width) != len(indices):
            raise ValueError(f'out_width = {out_width!r} for {len(indices)} outputs')
        if TAPS in fields:
            out_width = [fields[TAPS]] * len(indices)
        input_scale = fields.get(SCALE, input_scale)
    elif out_indices is not None or out_width is not None or input_scale != WHOLE:
        raise ValueError("out_indices, out_width and input_scale belong to part='backbone'")
    at = tuple(scaled(side, input_scale) for side in (height, width))
    small = [int(side.min()) for side in at if len(side) and side.min() < family.min_size]
    if small and np.min(input_scale) != WHOLE:
        raise ValueError(
            f'input_size = {input_size!r} at a scale of {np.min(input_scale)} % has a side of '
            f'{small[0]} pixels, the smallest workable one is {family.min_size}'
        )
    if counter not in COUNTERS:
        raise ValueError(unknown('counter', counter, COUNTERS))
    if counter == 'authors' and (part != 'classifier' or family.authors_macs is None):
        having = [name for name, f in FAMILIES.items() if f.part('cost').authors_macs is not None]
        raise ValueError(
            f"counter = 'authors' counts classifiers of {', '.join(having)}, not "
            f'{part}s of {space.name}'
        )
    wrong = [name for name in options if part != 'backbone' or name not in family.options]
    if wrong:
        raise ValueError(
            f'{wrong[0]} is not an option of {part}s of {space.name}; options of its backbones: '
            f'{", ".join(family.options) or "none"}'
        )
    if in_channels != 3:  # the tally of a user's family may not know the option
        options['in_channels'] = check_number('in_channels', in_channels, low=1, whole=True)
    parts = family.tally(
        fields,
        *at,
        out_indices=indices,
        attention=attention,
        num_classes=num_classes,
        out_width=out_width and tuple(out_width),
        **options,
    )
    n = len(genes)
    macs = {k: _full(t.macs, n) for k, t in parts.items()}
    params = {k: _full(t.params, n) for k, t in parts.items()}
    if counter == 'authors':
        theirs = family.authors_macs(fields, height, width, num_classes)
        macs = {k: _full(v, n) for k, v in theirs.items()}
    if not many:
        macs, params = ({k: int(v[0]) for k, v in d.items()} for d in (macs, params))
        height, width = int(height[0]), int(width[0])
    return Cost(sum(macs.values()), sum(params.values()), macs, params, (height, width))


def _genes(space: Space, archs: Any) -> tuple[np.ndarray, bool]:
    """Return the gene matrix, and whether many architectures were given."""
    if isinstance(archs, np.ndarray):
        return np.atleast_2d(archs), archs.ndim == 2
    several = is_many(archs)
    if several and not archs:
        return np.zeros((0, space.num_genes), np.int64), True
    return np.atleast_2d(space.genes(list(archs) if several else archs)), several


def _sizes(
    input_size: Any, n: int, resolution: np.ndarray | None, smallest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return height and width of the input for each of ``n`` architectures, both (n,)."""
    if input_size is None:
        if resolution is None:
            raise ValueError('architectures of this space have no resolution: give input_size')
        return resolution, resolution
    size = (input_size, input_size) if isinstance(input_size, (int, np.integer)) else input_size
    if len(size) != 2 or min(size) < smallest:
        raise ValueError(
            f'input_size = {input_size!r}, expected a side or (height, width) of at '
            f'least {smallest} pixels'
        )
    return tuple(np.full(n, int(side), np.int64) for side in size)


def _full(value: Any, n: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(value, np.int64), (n,)).copy()
