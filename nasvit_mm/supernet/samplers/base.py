"""What the samplers share: they yield a step's subnets one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from nasvit_mm.errors import check_number
from nasvit_mm.spaces import Arch, Space, get_space

LARGEST, SMALLEST, SAMPLED = 'largest', 'smallest', 'sampled'


class Choice(NamedTuple):
    """A subnet of a training step.

    Attributes:
        arch: its architecture.
        phase: phase of the weight sharing.
        role: ``'largest'``, ``'smallest'`` or ``'sampled'``; conflict rules and distillation depend
            on it.
        wants_score: whether the sampler asks for its score (:meth:`SubnetSampler.observe`).
        level: index of its complexity level, if the sampler has levels.
    """

    arch: Arch
    phase: int = 0
    role: str = SAMPLED
    wants_score: bool = False
    level: int | None = None


class SubnetSampler:
    """Base: draws the subnets of a step as a function of (seed, step) and of what it observed.

    So every process draws the same ones without communication, and a resumed run repeats them.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space.
        seed: seed of all draws.
        phases: number of phases of the backbone's weight sharing; with two, steps alternate.
    """

    roles: ClassVar[tuple[str, ...]]  # roles of a step's subnets, in order

    def __init__(self, space: str | Mapping | Space, seed: int = 0, phases: int = 1) -> None:
        check_number('seed', seed, low=0, whole=True)
        check_number('phases', phases, low=1, whole=True)
        self.space, self.seed, self.phases = get_space(space), seed, phases

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        """Yield the subnets of a step; later ones may depend on :meth:`observe`.

        Args:
            step: number of the step, from 1 on.
            epoch: number of the epoch, from 0 on.
        """
        raise NotImplementedError

    def most(self) -> int:
        """Return how many subnets a step has at most, where that depends on no :meth:`observe`."""
        return len(list(self.draw(1)))

    def observe(self, choice: Choice, score: float) -> None:
        """Take note of the score of a subnet that ``wants_score``; larger is better."""

    def stale(self, step: int, steps_per_epoch: int) -> list[Choice]:
        """Return subnets to score again before the step; each is handed to :meth:`observe`."""
        return []

    def check_length(self, steps: int) -> None:
        """Check that training, of so many steps, is long enough for what the sampler plans."""

    def phase(self, step: int) -> int:
        """Return the phase of the weight sharing in a step."""
        return step % self.phases

    def rng(self, step: int) -> np.random.Generator:
        """Return the random generator of a step."""
        return np.random.default_rng((self.seed, step))

    @property
    def remembers(self) -> bool:
        """Return whether subnets depend on more than (seed, step), in any step of the training."""
        return bool(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return, in plain types, what a resumed run cannot compute from (seed, step)."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
