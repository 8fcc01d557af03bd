"""What the samplers share: a step's subnets, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nasvit_mm.spaces import Arch, Space, get_space

LARGEST, SMALLEST, SAMPLED = 'largest', 'smallest', 'sampled'


class Choice(NamedTuple):
    """A subnet of a training step.

    Attributes:
        arch: its architecture.
        phase: of the weight sharing.
        role: ``'largest'``, ``'smallest'`` or ``'sampled'``: conflict rules and distillation go by
            it.
        wants_score: whether the sampler wants to be told how good it is (:meth:`observe`).
        level: index of its complexity level, where the sampler has such.
    """

    arch: Arch
    phase: int = 0
    role: str = SAMPLED
    wants_score: bool = False
    level: int | None = None


def at_least(least: float, **values: float) -> None:
    """Check arguments.

    Raises:
        ValueError: names one that is below ``least``, or not a number.
    """
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f'{name} = {value!r}, must be {least} or more')


class SubnetSampler:
    """Base: draws the subnets of a step as a function of (seed, step) and of what it was told.

    So every process draws the same ones without being told, and a resumed run repeats them.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space.
        seed: of all draws.
        phases: of the backbone's weight sharing; with two, steps alternate.
    """

    roles: ClassVar[tuple[str, ...]]  # of a step's subnets, in their order

    def __init__(self, space: str | Mapping | Space, seed: int = 0, phases: int = 1) -> None:
        at_least(0, seed=seed)
        at_least(1, phases=phases)
        self.space, self.seed, self.phases = get_space(space), seed, phases

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        """The subnets of a step, in order; what comes later may depend on :meth:`observe`.

        Args:
            step: number of the step, from 1 on.
            epoch: number of the epoch, from 0 on.
        """
        raise NotImplementedError

    def observe(self, choice: Choice, score: float) -> None:
        """Told how good a subnet that ``wants_score`` is; larger is better."""

    def stale(self, step: int, steps_per_epoch: int) -> list[Choice]:
        """Subnets to score again before the step, each to be handed to :meth:`observe`."""
        return []

    def phase(self, step: int) -> int:
        """Of the weight sharing in a step."""
        return step % self.phases

    def rng(self, step: int) -> np.random.Generator:
        """Of a step."""
        return np.random.default_rng((self.seed, step))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run cannot compute from (seed, step): plain types."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
