"""Performance-aware sampling (ElasticViT): memory banks of good subnets, and a preference."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasvit_mm.cost import count
from nasvit_mm.errors import check_number
from nasvit_mm.registry import SAMPLERS
from nasvit_mm.spaces import Arch
from nasvit_mm.supernet.samplers.base import Choice
from nasvit_mm.supernet.samplers.levels import LevelSampler


class MemoryBank:
    """The best subnets seen so far, one list per level.

    Args:
        capacities: capacity of each level's list.
        duplicates: ``'update'`` gives a stored architecture its new score; ``'keep'`` stores it a
            second time, as the released code does.
    """

    def __init__(self, capacities: Sequence[int], duplicates: str = 'update') -> None:
        if duplicates not in ('update', 'keep'):
            raise ValueError(f"duplicates = {duplicates!r}, allowed: 'update', 'keep'")
        self.capacities, self.duplicates = tuple(capacities), duplicates
        self.entries: list[list[tuple[Arch, float]]] = [[] for _ in capacities]

    def insert(self, level: int, arch: Arch, score: float) -> None:
        """Add an architecture; in a full list it replaces the worst one, if that is worse."""
        entries = self.entries[level]
        if self.duplicates == 'update':
            for i, (other, _) in enumerate(entries):
                if other == arch:
                    entries[i] = arch, score
                    return
        if len(entries) < self.capacities[level]:
            entries.append((arch, score))
            return
        worst = min(range(len(entries)), key=lambda i: entries[i][1])
        if score > entries[worst][1]:
            entries[worst] = arch, score

    def rescore(self, level: int, arch: Arch, score: float) -> None:
        """Give a stored architecture a new score."""
        self.entries[level] = [(a, score if a == arch else s) for a, s in self.entries[level]]

    def draw(self, level: int, numbers: np.random.RandomState) -> Arch:
        """Draw an architecture with probability softmax(scores)."""
        scores = np.array([score for _, score in self.entries[level]])
        weights = np.exp(scores - scores.max())
        index = numbers.choice(range(len(scores)), size=1, p=weights / weights.sum())[0]
        return self.entries[level][index][0]

    def best(self, level: int) -> Arch | None:
        """Return the architecture with the highest score, None if the list is empty."""
        return max(self.entries[level], key=lambda e: e[1])[0] if self.entries[level] else None

    def more_than_half(self, level: int) -> bool:
        return len(self.entries[level]) > self.capacities[level] // 2

    def half_full(self, level: int) -> bool:
        return len(self.entries[level]) >= self.capacities[level] // 2


@SAMPLERS.register_module(name='bank')
class BankSampler(LevelSampler):
    """Complexity-aware sampling that prefers architectures that have scored well.

    With a probability that grows during training, a level's subnet comes from its bank
    (exploitation).  Otherwise it is a new candidate (exploration): the one of several that is
    widest and shallowest in comparison with an anchor, once the bank is half full.  Explored
    subnets are scored by minus the cross-entropy on the batch and stored in the bank.

    Args:
        capacity, capacity_large: capacities of the banks below the level ``large_from``, and from
            it on.
        exploit: initial probability of exploitation.
        exploit_step, exploit_every: the probability grows by ``exploit_step`` every
            ``exploit_every`` epochs.
        candidates: number of candidates in an exploration.
        refresh: score all banks again before every epoch, and the current level's at each quarter
            of the epoch, as the released code does.  False saves some hundred forwards an epoch.
        duplicates: see :class:`MemoryBank`.
        positions: positions of width and depth that the preference compares; None: the stages that
            have an mlp_ratio, or all in a space without that field.
    """

    def __init__(
        self,
        *args: Any,
        capacity: int = 150,
        capacity_large: int = 50,
        large_from: float = 500e6,
        exploit: float = 0.2,
        exploit_step: float = 0.15,
        exploit_every: int = 100,
        candidates: int = 5,
        refresh: bool = True,
        duplicates: str = 'update',
        positions: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, value in dict(
            capacity=capacity,
            capacity_large=capacity_large,
            exploit_every=exploit_every,
            candidates=candidates,
        ).items():
            check_number(name, value, low=1, whole=True)
        check_number('exploit', exploit, low=0)
        check_number('exploit_step', exploit_step, low=0)
        self.bank = MemoryBank(
            [capacity if level < large_from else capacity_large for level in self.levels],
            duplicates,
        )
        self.exploit, self.exploit_step = exploit, exploit_step
        self.exploit_every, self.candidates, self.refresh = exploit_every, candidates, refresh
        self._positions = self.space.compared if positions is None else positions
        self.preference([self.space.largest], self.space.smallest)  # unknown positions fail now

    def probability(self, epoch: int) -> float:
        """Return the probability of exploitation in an epoch (counted from 0)."""
        return self.exploit + self.exploit_step * ((epoch + 1) // self.exploit_every)

    def preference(self, archs: Sequence[Arch], anchor: Arch) -> np.ndarray:
        """Return MACs with the anchor's widths minus MACs with its depths; smaller is better."""
        genes, theirs = self.space.genes(list(archs)), self.space.genes(anchor)
        width, depth = (
            count(
                self.space,
                self.space.exchanged(genes, theirs, name, self._positions),
                **self.count_args,
            ).macs
            for name in ('width', 'depth')
        )
        return width - depth

    def anchor(self) -> Arch:
        """Return the active level's anchor.

        It is the smallest subnet at the lowest level, else the best one in the lowest level's bank.
        """
        return (self.bank.best(0) if self.level else None) or self.space.smallest

    def _pick(
        self, rng: random.Random, numbers: np.random.RandomState, step: int, epoch: int
    ) -> Choice:
        exploit = rng.random() < self.probability(epoch)
        if exploit and self.bank.more_than_half(self.level):
            return Choice(self.bank.draw(self.level, numbers), self.phase(step), level=self.level)
        if self.bank.half_full(self.level):
            found = [self._candidate(rng) for _ in range(self.candidates)]
            arch = found[int(np.argmin(self.preference(found, self.anchor())))]
        else:
            arch = self._candidate(rng)
        return Choice(arch, self.phase(step), wants_score=True, level=self.level)

    def observe(self, choice: Choice, score: float) -> None:
        if choice.wants_score:
            self.bank.insert(choice.level, choice.arch, score)
        else:
            self.bank.rescore(choice.level, choice.arch, score)

    def stale(self, step: int, steps_per_epoch: int) -> list[Choice]:
        """Return the entries to score again before a step.

        They are all banks' at the first step of every epoch but the first one, and the current
        level's at each quarter of an epoch.
        """
        place = (step - 1) % steps_per_epoch
        if not self.refresh:
            return []
        if place == 0:
            levels: Sequence[int] = range(len(self.levels)) if step > 1 else ()
        elif place % max(1, steps_per_epoch // 4) == 0 and place < 4 * (steps_per_epoch // 4):
            levels = (self._moved(self._python_rng(step)),)  # the level of this step
        else:
            levels = ()
        return [
            Choice(arch, level=level)
            for level in levels
            for arch in dict.fromkeys(a for a, _ in self.bank.entries[level])
        ]

    def state_dict(self) -> dict[str, Any]:
        return dict(
            super().state_dict(),
            bank=[[[a.to_dict(), s] for a, s in entries] for entries in self.bank.entries],
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        if len(state['bank']) != len(self.levels):
            raise ValueError(
                f'the checkpoint has banks of {len(state["bank"])} levels, the '
                f'sampler has {len(self.levels)}'
            )
        self.bank.entries = [
            [(self.space.arch(a), float(s)) for a, s in entries] for entries in state['bank']
        ]
