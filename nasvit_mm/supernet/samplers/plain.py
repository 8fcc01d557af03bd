"""Samplers without memory: sandwich, uniform, single path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nasvit_mm.cost import count
from nasvit_mm.errors import check_number
from nasvit_mm.registry import SAMPLERS
from nasvit_mm.spaces import SlotSpace, Space, get_space
from nasvit_mm.supernet.samplers.base import LARGEST, SAMPLED, SMALLEST, Choice, SubnetSampler


@SAMPLERS.register_module(name='sandwich')
class SandwichSampler(SubnetSampler):
    """Draws the largest, the smallest and some random subnets, in that order.

    Args:
        num_random: number of random subnets; NASViT uses two.
    """

    roles = (LARGEST, SMALLEST, SAMPLED)

    def __init__(self, *args: Any, num_random: int = 2, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_number('num_random', num_random, low=0, whole=True)
        self.num_random = num_random

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        phase = self.phase(step)
        yield Choice(self.space.largest, phase, LARGEST)
        yield Choice(self.space.smallest, phase, SMALLEST)
        for arch in self.space.sample_usable(self.rng(step), self.num_random):
            yield Choice(arch, phase)


@SAMPLERS.register_module(name='uniform')
class UniformSampler(SubnetSampler):
    """Draws random subnets only.

    Args:
        num_random: number of subnets.
    """

    roles = (SAMPLED,)

    def __init__(self, *args: Any, num_random: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_number('num_random', num_random, low=1, whole=True)
        self.num_random = num_random

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        for arch in self.space.sample_usable(self.rng(step), self.num_random):
            yield Choice(arch, self.phase(step))


@SAMPLERS.register_module(name='single_path')
class SinglePathSampler(SubnetSampler):
    """Draws one random path per step, in one phase of the weight sharing or in all (ViTAS).

    Args:
        both_phases: run the path in every phase in each step, as the public code does with
            bilateral sharing.  There the logits of both phases are added before one cross-entropy;
            here each phase has its own, and the gradients are summed.  False: steps alternate.
        identity: probability of an identity in a slot; None: all depths are equally likely.
    """

    roles = (SAMPLED,)

    def __init__(
        self, *args: Any, both_phases: bool = False, identity: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.both_phases, self.identity = both_phases, identity
        if identity is not None and not isinstance(self.space, SlotSpace):
            raise ValueError(f'identity = {identity}: {self.space.name} has no identities')
        if identity is not None and not 0 <= identity < 1:
            raise ValueError(f'identity = {identity}, must be a probability below 1')

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        how = {} if self.identity is None else dict(identity=self.identity)
        (arch,) = self.space.sample_usable(self.rng(step), 1, **how)
        for phase in range(self.phases) if self.both_phases else (self.phase(step),):
            yield Choice(arch, phase)


def find_identity_probability(
    space: str | Mapping | Space,
    low: float,
    high: float,
    rng: np.random.Generator | int = 0,
    draws: int = 1000,
    **count_args: Any,
) -> float:
    """Find the identity probability at which random paths have their mean MACs in a window.

    The search starts at 0.5 and moves in steps of 0.01, as in the public ViTAS code.

    Args:
        low, high: bounds of the mean MACs.
        count_args: arguments of :func:`nasvit_mm.cost.count`; the public code's counter is
            ``'authors'``.

    Raises:
        ValueError: no probability leads there; the message names the reachable means.
    """
    space, rng = get_space(space), np.random.default_rng(rng)

    def mean(p: float) -> float:
        return float(count(space, space.sample_genes(rng, draws, p), **count_args).macs.mean())

    probability, seen = 0.5, set()
    while True:
        now = mean(probability)
        if low <= now <= high:
            return probability
        seen.add(probability)
        probability = round(probability + (0.01 if now > high else -0.01), 2)
        if probability in seen or not 0 <= probability < 1:
            raise ValueError(
                f'no probability of identities gives a mean from {low:g} to {high:g} MACs; '
                f'{mean(0.0):g} at 0, {mean(0.99):g} at 0.99, {now:g} near {probability}'
            )
