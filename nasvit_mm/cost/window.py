"""Sampling architectures uniformly from a window of MACs, however rare they are.

The MACs of a network are a sum over its parts, and each part depends on a few genes.  A forward
sweep over the parts counts how many choices of the first parts reach each cost (above the parts'
minimum, rounded down to a grid); a backward sweep then draws among exactly those that end in the
window.  Rounding makes the drawn set slightly larger than the window, so each draw is counted
exactly and the few outside are drawn again: the result is uniform over the window's architectures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nasvit_mm.cost.count import Cost, count
from nasvit_mm.errors import unknown
from nasvit_mm.spaces import Space, get_space

CELLS = 200  # least number of grid cells within the window
# Number of grid cells from the least cost to the window's end.  A wide window needs a fine grid
# too: most networks of a budget lie just below its bound, and those rounded across it are wasted.
MIN_CELLS, MAX_CELLS = 1 << 12, 1 << 16
PROBES = 48  # random architectures that reveal which genes a part depends on
ROUNDS = 20  # rounds of draws outside the window after which the window counts as empty
KINDS = {'macs': 'MACs', 'params': 'parameters'}


class _State(NamedTuple):
    """The genes still open after the parts so far: later parts read them or are linked with them.

    Choices that are equivalent for the later parts form one class.
    """

    genes: tuple[int, ...] = ()
    classes: tuple[np.ndarray, ...] = ()  # per gene, the class of every choice

    @property
    def size(self) -> int:
        return int(np.prod([c.max() + 1 for c in self.classes], dtype=np.int64))

    def ids(self, combos: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
        """Return the state's number for every row of combinations of the genes ``columns``."""
        out = np.zeros(len(combos), np.int64)
        for gene, classes in zip(self.genes, self.classes):
            out = out * (classes.max() + 1) + classes[combos[:, columns.index(gene)]]
        return out


class _Step(NamedTuple):
    """A part under one choice of the global genes: its combinations and the states they lead to."""

    genes: tuple[int, ...]  # the genes that the columns of ``combos`` stand for
    combos: np.ndarray  # (n, genes) choices
    cost: np.ndarray  # (n,) above the least cost; in a sweep, in grid cells
    before: np.ndarray  # (n,) state that the previous step must end in
    after: np.ndarray  # (n,) state that this step ends in
    num_after: int
    least: int  # the least cost


class _Table(NamedTuple):
    """The sweep under one choice of the global genes."""

    values: tuple[int, ...]  # the choices of the global genes
    steps: list[_Step]
    ways: list[np.ndarray]  # (states, cells) before the first and after every step
    ends: np.ndarray  # the last of ``ways``, limited to those that can lie in the window
    within: float  # number of architectures in the window, up to rounding


class WindowSampler:
    """Draws uniformly from a space's architectures whose MACs (or parameters) lie in a window.

    Args:
        space: name of a space, its ``to_dict()`` form, or a Space.
        low, high: inclusive bounds.
        cost: maps a gene matrix to a :class:`Cost` whose parts depend on a few genes each; None:
            :func:`nasvit_mm.cost.count`.
        kind: which cost is bounded, ``'macs'`` or ``'params'``.
        count_args: arguments of ``count``: input_size, part, attention, counter, ...

    Raises:
        ValueError: no architecture can lie in the window; the message names the reachable range.

    Attributes:
        num_architectures: number of architectures in the window, up to rounding (float).
    """

    def __init__(
        self,
        space: str | Mapping | Space,
        low: float,
        high: float,
        cost: Callable[[np.ndarray], Cost] | None = None,
        kind: str = 'macs',
        **count_args: Any,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(unknown('kind', kind, KINDS))
        self.space, self.low, self.high, self.kind = get_space(space), low, high, kind
        self._cost = cost or partial(count, self.space, **count_args)
        if not low <= high:
            raise ValueError(f'window from {low:g} to {high:g}: the lower bound is the larger one')
        scopes = self._scopes()
        # Parts share genes with their neighbours; a gene that most parts depend on is held fixed,
        # one value at a time.
        self._globals = tuple(
            g
            for g in range(self.space.num_genes)
            if sum(g in scope for scope in scopes.values()) > max(2, len(scopes) / 2)
        )
        self._parts = self._ordered(scopes)
        tables = [
            (values, self._steps(values))
            for values in itertools.product(
                *(range(len(self.space.choices[g])) for g in self._globals)
            )
        ]
        # The grid need not cover what the space cannot reach.
        least = min(sum(step.least for step in steps) for _, steps in tables)
        most = max(sum(step.least + step.cost.max() for step in steps) for _, steps in tables)
        self._reach = max(low, least), min(high, most)
        first, last = self._reach
        self._cell = max(
            min((last - first) / CELLS, (last - least) / MIN_CELLS), (last - least) / MAX_CELLS, 1.0
        )
        self._tables = [table for each in tables if (table := self._forward(*each))]
        if not self._tables:
            raise ValueError(self._unreachable())
        self.num_architectures = sum(table.within for table in self._tables)

    # ------------------------------------------------------------------ dependencies
    def _by_part(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        cost = self._cost(genes)
        return cost.breakdown if self.kind == 'macs' else cost.breakdown_params

    def _scopes(self) -> dict[str, set[int]]:
        """Map each part to the genes its cost depends on, found by changing one gene at a time."""
        sizes = [len(c) for c in self.space.choices]
        base = self.space.uniform_genes(0, PROBES)
        reference = self._by_part(base)
        changed = [np.repeat(base, size, 0) for size in sizes]
        for gene, (rows, size) in enumerate(zip(changed, sizes)):
            rows[:, gene] = np.tile(np.arange(size), PROBES)
        ends = np.cumsum([len(rows) for rows in changed])[:-1]
        return {
            part: {
                gene
                for gene, values in enumerate(np.split(macs, ends))
                if (values != np.repeat(reference[part], sizes[gene])).any()
            }
            for part, macs in self._by_part(np.concatenate(changed)).items()
        }

    def _ordered(self, scopes: dict[str, set[int]]) -> list[tuple[str | None, set[int]]]:
        """Order the parts, with their non-global genes, so that each next one leaves least open.

        A gene without a cost forms a part of its own, without a name.
        """
        used = set(self._globals).union(*scopes.values())
        left = [(name, scope - set(self._globals)) for name, scope in scopes.items()]
        left += [(None, {g}) for g in range(self.space.num_genes) if g not in used]
        out: list[tuple[str | None, set[int]]] = []
        seen, state = set(self._globals), _State()
        while left:

            def cost(part: tuple, state: _State = state, seen: set = seen) -> tuple[int, int]:
                new = sorted(part[1] - seen)
                kept = self._kept(
                    (*state.genes, *new), seen | part[1], [p[1] for p in left if p is not part]
                )
                return kept.size, state.size * self._num_combos(new)

            best = min(left, key=cost)
            left.remove(best)
            out.append(best)
            columns = (*state.genes, *sorted(best[1] - seen))
            seen = seen | best[1]
            state = self._kept(columns, seen, [p[1] for p in left])
        return out

    def _kept(self, columns: tuple[int, ...], seen: set[int], later: list[set[int]]) -> _State:
        """Return the state of the genes that a later part reads or a later gene is linked with."""
        to_come, genes, classes = set().union(*later), [], []
        for gene in columns:
            rules = [
                link.allowed if link.first == gene else link.allowed.T
                for link in self.space.links
                if (link.first == gene and link.second not in seen)
                or (link.second == gene and link.first not in seen)
            ]
            choices = np.arange(len(self.space.choices[gene]))
            if gene not in to_come:
                if not rules:
                    continue
                # Choices that allow the same later choices form one class.
                choices = np.unique(np.concatenate(rules, 1), axis=0, return_inverse=True)[1]
            genes.append(gene)
            classes.append(choices.ravel())
        return _State(tuple(genes), tuple(classes))

    # ------------------------------------------------------------------ the sweeps
    def _steps(self, values: tuple[int, ...]) -> list[_Step]:
        """Return the combinations of every part, with the genes that later parts need as state."""
        fixed, base = dict(zip(self._globals, values)), self.space.uniform_genes(0, 1)[0]
        seen, state, steps, rows = set(self._globals), _State(), [], []
        for i, (_, genes) in enumerate(self._parts):
            new = tuple(sorted(genes - seen))
            seen |= genes
            kept = self._kept(
                (*state.genes, *new), seen, [scope for _, scope in self._parts[i + 1 :]]
            )
            step, whole = self._step(new, state, kept, fixed, base)
            steps.append(step)
            rows.append(whole)
            state = kept
        costs, first = self._by_part(np.concatenate(rows)), 0  # costs of all steps in one call
        for i, (name, _) in enumerate(self._parts):
            if name is not None:
                macs = costs[name][first : first + len(rows[i])]
                steps[i] = steps[i]._replace(cost=macs - macs.min(), least=int(macs.min()))
            first += len(rows[i])
        return steps

    def _step(
        self,
        new: tuple[int, ...],
        state: _State,
        kept: _State,
        fixed: dict[int, int],
        base: np.ndarray,
    ) -> tuple[_Step, np.ndarray]:
        """Return a part without its costs, and the gene matrix of its combinations."""
        columns = (*state.genes, *new)
        # A gene chosen before contributes one choice per class; its own step fixes which one.
        options = [np.unique(classes, return_index=True)[1] for classes in state.classes]
        options += [np.arange(len(self.space.choices[g])) for g in new]
        rows = list(itertools.product(*options))
        combos = np.array(rows, np.int64).reshape(len(rows), len(columns))
        genes = np.repeat(base[None], len(combos), 0)
        genes[:, list(fixed)] = list(fixed.values())
        genes[:, list(columns)] = combos
        ok = np.ones(len(combos), bool)
        known = {*columns, *fixed}
        for link in self.space.links:
            if link.first in known and link.second in known:
                ok &= link.allowed[genes[:, link.first], genes[:, link.second]]
        combos, genes = combos[ok], genes[ok]
        return _Step(
            columns,
            combos,
            np.zeros(len(combos), np.int64),
            state.ids(combos, columns),
            kept.ids(combos, columns),
            kept.size,
            0,
        ), genes

    def _num_combos(self, genes: Iterable[int]) -> int:
        return int(np.prod([len(self.space.choices[g]) for g in genes], dtype=np.int64))

    def _forward(self, values: tuple[int, ...], steps: list[_Step]) -> _Table | None:
        """Count the ways per (state, cells) after every step; None if none ends in the window."""
        base = sum(step.least for step in steps)
        low, high = (bound - base for bound in self._reach)
        if high < 0:
            return None
        cells = int(high / self._cell) + 1
        rounded = sum(bool((step.cost % self._cell).any()) for step in steps)
        steps = [step._replace(cost=(step.cost / self._cell).astype(np.int64)) for step in steps]
        ways = [np.zeros((1, cells))]
        ways[0][0, 0] = 1
        for step in steps:
            out = np.zeros((step.num_after, cells))
            # Combinations with equal costs between the same states are counted together.
            keys = np.stack([step.before, step.after, step.cost], 1)
            for (before, after, cost), times in zip(*np.unique(keys, axis=0, return_counts=True)):
                if cost < cells:
                    out[after, cost:] += times * ways[-1][before, : cells - cost]
            ways.append(out)
        # Each part was rounded down by less than a cell, on average by half a cell.
        ends, shift = ways[-1].copy(), rounded // 2
        ends[:, : max(0, int(low / self._cell) - rounded)] = 0
        first, last = (max(0, int(bound / self._cell) - shift) for bound in (low, high))
        within = float(ways[-1][:, first : last + 1].sum())
        return _Table(values, steps, ways, ends, within) if ends.any() else None

    def sample_genes(self, rng: np.random.Generator | int, n: int) -> np.ndarray:
        """Draw a gene matrix (n, num_genes) of architectures uniformly; seeded.

        Raises:
            ValueError: no architecture was found in the window: only rounded costs reach it.
        """
        rng, found, missing = np.random.default_rng(rng), [], n
        for attempt in itertools.count():
            if missing <= 0:
                return (
                    np.concatenate(found)[:n]
                    if found
                    else np.zeros((0, self.space.num_genes), np.int64)
                )
            found.append(self.draw(rng, int(missing * 1.3) + 16))
            missing -= len(found[-1])
            if attempt == ROUNDS and missing == n:
                raise ValueError(
                    f'no architecture found from {self.low:g} to {self.high:g} {KINDS[self.kind]}'
                )

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw ``n`` times and return the gene matrix of the draws inside the window."""
        weights = np.array([float(table.ends.sum()) for table in self._tables])
        of_table = rng.multinomial(n, weights / weights.sum())
        drawn = np.concatenate(
            [self._backward(table, rng, k) for table, k in zip(self._tables, of_table) if k]
        )
        drawn = rng.permutation(drawn)
        values = getattr(self._cost(drawn), self.kind)
        return drawn[(self.low <= values) & (values <= self.high)]

    def sample(self, rng: np.random.Generator | int, n: int | None = None) -> Any:
        """Draw one architecture, or a list of ``n``, like ``Space.sample``."""
        archs = self.space.from_genes(self.sample_genes(rng, 1 if n is None else n))
        return archs[0] if n is None else archs

    def _backward(self, table: _Table, rng: np.random.Generator, n: int) -> np.ndarray:
        values, steps, ways, ends, _ = table
        genes = np.zeros((n, self.space.num_genes), np.int64)
        genes[:, list(self._globals)] = values
        flat = ends.ravel().cumsum()
        place = np.searchsorted(flat, rng.random(n) * flat[-1], side='right')
        state, cells = np.divmod(place, ends.shape[1])
        for step, before in zip(reversed(steps), reversed(ways[:-1])):
            for here in np.unique(state):
                rows = np.flatnonzero(state == here)
                options = np.flatnonzero(step.after == here)
                # (rows, options): number of ways to reach this state by each combination.
                left = cells[rows][:, None] - step.cost[options]
                weight = np.where(left >= 0, before[step.before[options], np.maximum(left, 0)], 0)
                upto = weight.cumsum(1)
                pick = (rng.random(len(rows))[:, None] * upto[:, -1:] >= upto).sum(1)
                chosen = options[pick]
                genes[np.ix_(rows, list(step.genes))] = step.combos[chosen]
                cells[rows] -= step.cost[chosen]
                state[rows] = -1 - step.before[chosen]  # so that this step does not visit it again
            state = -1 - state
        return genes

    def _unreachable(self) -> str:
        smallest, largest = getattr(
            self._cost(self.space.genes([self.space.smallest, self.space.largest])), self.kind
        )
        return (
            f'no {self.space.name} architecture has from {self.low:g} to {self.high:g} '
            f'{KINDS[self.kind]}; the smallest has {smallest:g}, the largest {largest:g}'
        )
