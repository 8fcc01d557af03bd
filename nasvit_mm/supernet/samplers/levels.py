"""Complexity-aware sampling (ElasticViT): a walk over levels of MACs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from nasvit_mm.cost import WindowSampler, count
from nasvit_mm.errors import check_number
from nasvit_mm.registry import SAMPLERS
from nasvit_mm.spaces import Arch, Space
from nasvit_mm.supernet.samplers.base import SAMPLED, SMALLEST, Choice, SubnetSampler

LEVELS = tuple(1e6 * m for m in (100, 200, 300, 400, 500, 700, 900, 1200))


@SAMPLERS.register_module(name='levels')
class LevelSampler(SubnetSampler):
    """Draws a step's subnets from one level of MACs; the level moves to a neighbour or stays.

    So the subnets of a step, and of the next one, cost about the same, and their gradients agree
    better than those of random subnets.  A step has several subnets of its level and that level's
    smallest one (hierarchical smallest subnets).  The walk begins at the lowest level and visits
    all levels equally often in the long run.  (The released code makes one more move after each
    epoch, which does not change that.)

    Args:
        levels: MACs of the levels, ascending.
        tolerance: a subnet of level T has from T to T + 2 tolerance MACs.
        smallest: maps a level to the smallest subnet of the levels up to it (name, mapping or
            Arch); the last one also serves all levels above.  None: ElasticViT's three
            (``Space.level_floors``); in another space its smallest subnet serves all levels.
        num: number of subnets of the level per step, in addition to the smallest.
        count_args: arguments of :func:`nasvit_mm.cost.count`; ElasticViT's levels are counted by
            the ``'authors'`` counter, which is the default there.
        tables: maps a level to architectures, which are drawn until one fits; None: draw uniformly
            from the level's window, above its smallest subnet.

    Raises:
        ValueError: no architecture reaches a level; the message names the reachable range.
    """

    roles = (SAMPLED, SMALLEST)

    def __init__(
        self,
        *args: Any,
        levels: Sequence[float] = LEVELS,
        tolerance: float = 10e6,
        smallest: Mapping[float, Any] | None = None,
        num: int = 3,
        count_args: Mapping[str, Any] | None = None,
        tables: Mapping[float, Sequence[Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_number('tolerance', tolerance, low=0)
        check_number('num', num, low=1, whole=True)
        self.levels, self.tolerance, self.num = tuple(levels), tolerance, num
        if list(self.levels) != sorted(set(self.levels)) or not self.levels:
            raise ValueError(f'levels = {levels!r}, expected ascending MACs')
        default = dict(counter=self.space.level_counter)
        self.count_args = default if count_args is None else dict(count_args)
        if smallest is None:
            smallest = self.space.level_floors()
        self._floors = {float(k): self.space.arch(v) for k, v in sorted(smallest.items())}
        self.tables = None
        if tables is not None:
            self.tables = {
                level: [self.space.arch(a) for a in tables[level]] for level in self.levels
            }
            self._table_macs = {
                level: count(self.space, table, **self.count_args).macs
                for level, table in self.tables.items()
            }
        else:
            args = tuple(sorted(self.count_args.items()))
            self._windows = {
                level: _window(
                    self.space.above(self.smallest_of(level)) if self._floors else self.space,
                    level,
                    level + 2 * tolerance,
                    args,
                )
                for level in self.levels
            }
        self.level = 0

    def smallest_of(self, level: float) -> Arch:
        """Return the smallest subnet of a level."""
        if not self._floors:
            return self.space.smallest
        key = next((k for k in self._floors if level <= k + 2 * self.tolerance), max(self._floors))
        return self._floors[key]

    def draw(self, step: int, epoch: int = 0) -> Iterator[Choice]:
        rng = self._python_rng(step)
        numbers = np.random.RandomState([self.seed, step] if self.seed else step)
        self.level = self._moved(rng)
        for _ in range(self.num):
            yield self._pick(rng, numbers, step, epoch)
        yield Choice(
            self.smallest_of(self.levels[self.level]), self.phase(step), SMALLEST, level=self.level
        )

    def _python_rng(self, step: int) -> random.Random:
        """Return a step's generator, seeded by the step as in the released code."""
        return random.Random(step + (self.seed << 32))

    def _moved(self, rng: random.Random) -> int:
        """Return the level after the walk's next move, which is a step's first draw."""
        if len(self.levels) == 1:
            return 0
        if self.level == 0:
            return rng.choice([0, 0, 1])
        if self.level == len(self.levels) - 1:
            return self.level + rng.choice([-1, 0, 0])
        return self.level + rng.choice([-1, 0, 1])

    def _pick(
        self, rng: random.Random, numbers: np.random.RandomState, step: int, epoch: int
    ) -> Choice:
        """Pick a subnet of the active level."""
        rng.random()  # the released code decides here whether to exploit a memory bank
        return Choice(self._candidate(rng), self.phase(step), level=self.level)

    def _candidate(self, rng: random.Random) -> Arch:
        level = self.levels[self.level]
        if self.tables is None:
            return self._windows[level].sample(rng.getrandbits(63))
        table, macs = self.tables[level], self._table_macs[level]
        fits = (level <= macs) & (macs <= level + 2 * self.tolerance)
        if not fits.any():
            raise ValueError(
                f'no entry of the table of level {level:g} has from {level:g} to '
                f'{level + 2 * self.tolerance:g} MACs'
            )
        while True:
            index = rng.choice(range(len(table)))
            if fits[index]:
                return table[index]

    def state_dict(self) -> dict[str, Any]:
        return dict(level=self.level, levels=list(self.levels), tolerance=self.tolerance)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for key, ours in (('levels', list(self.levels)), ('tolerance', self.tolerance)):
            if state.get(key, ours) != ours:  # earlier checkpoints do not record it
                raise ValueError(f'its {key} = {state[key]}, the config has {ours}')
        level = int(state['level'])
        if not 0 <= level < len(self.levels):
            raise ValueError(
                f'the checkpoint is at level {level}, the sampler has the levels 0 to '
                f'{len(self.levels) - 1}'
            )
        self.level = level


@lru_cache(maxsize=64)
def _window(space: Space, low: float, high: float, count_args: tuple) -> WindowSampler:
    return WindowSampler(space, low, high, **dict(count_args))
