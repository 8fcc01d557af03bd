"""What the authors' released code does beside the networks, to compare with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from nasvit_mm.spaces import IDENTITY, Arch, Space


def draw_elasticvit(space: Space, rng: random.Random, floor: Any = 'smallest') -> Arch:
    """One architecture as the released code draws it, number by number of the generator.

    Not uniform: a width is redrawn until it is not below the one before it, so that wide stems
    are rarer than under :meth:`sample`.

    Args:
        rng: Python's ``random`` module or a ``random.Random``.
        floor: architecture below which resolution, widths, depths, expansions and v scales are
            not drawn; the smallest subnet of a complexity level.  (As in the released code it
            does not bound MLP ratios.)
    """
    low = space.arch(floor)
    choices = {f.name: f.choices for f in space.fields}

    def pick(values: Sequence[int]) -> int:
        rng.random()  # drawn and not used by the released code
        return rng.choice(list(values))

    def at_least(name: str, position: int) -> list[int]:
        return [c for c in choices[name][position] if c >= low[name][position]]

    def pick_width(position: int, least: int, exactly: bool = False) -> int:
        while True:
            width = pick(at_least('width', position))
            if width == least if exactly else width >= least:
                return width

    first = pick(at_least('width', 0))
    resolution = pick([r for r in choices['resolution'][0] if r >= low.resolution])
    width, depth, expand, kernel, mlp, v = [], [pick(at_least('depth', 0))], [], [], [], []
    width.append(pick_width(0, first, exactly=True))
    pick([1])
    kernel.append(pick(choices['kernel_size'][0][::-1]))
    for i in range(2):
        depth.append(pick(at_least('depth', i + 1)))
        width.append(pick_width(i + 1, width[-1]))
        expand.append(pick(at_least('expand_ratio', i)[::-1]))
        # The released code bounds kernels by the floor of the expansion.
        kernels = choices['kernel_size'][i + 1][::-1]
        kernel.append(pick([k for k in kernels if k >= low.expand_ratio[i]]))
    for i in range(4):
        depth.append(pick(at_least('depth', i + 3)))
        width.append(pick_width(i + 3, width[-1]))
        rng.choice([1])
        v.append(pick(at_least('v_scale', i)[::-1]))
        mlp.append(pick(choices['mlp_ratio'][i][::-1]))
    return space.arch(
        dict(
            resolution=resolution,
            width=width,
            depth=depth,
            expand_ratio=expand,
            kernel_size=kernel,
            mlp_ratio=mlp,
            v_scale=v,
        )
    )


def vitas_as_executed(space: Space, genome: Sequence[int] | str) -> Arch:
    """The architecture that the public supernet really runs for a genome.

    There an identity does not take its pair of ratios out of the list, though the counter, the
    sampler and the builder of static networks do: every slot behind an identity runs with the
    widths of an earlier one.  For comparison with the released code only.
    """
    arch = space.arch(genome)
    pairs = zip(arch.qkv_width, arch.mlp_width)
    widths = {slot: next(pairs) for slot, h in enumerate(arch.heads) if h != IDENTITY}
    widths |= {slot: next(pairs) for slot, h in enumerate(arch.heads) if h == IDENTITY}
    inner, hidden = zip(*(widths[slot] for slot in range(space.slots)))
    return space.arch(arch.replace(qkv_width=inner, mlp_width=hidden))
